// SPDX-License-Identifier: Apache-2.0

import Linux

/// A transaction that libnftables or the kernel refused, with the sentence that came.
public struct RulesError: SystemFailure, Sendable {
    /// What was asked for, in words: "guard veth1a2b3c4d5e6".
    public let operation: String
    /// What kind of refusal it was.
    public let errno: Errno?
    /// The sentence of libnftables with the command that it is about.
    public let text: String

    /// Makes the error of a transaction.
    public init(_ errno: Errno, _ operation: String, kernelText: String?) {
        self.operation = operation
        self.errno = errno
        text = kernelText ?? errno.description
    }
}

/// What libnftables says of a failure: only text, in which the sentences of strerror(3) tell kinds of failure apart.
struct Refusal {
    /// ENOENT, EEXIST, EBUSY for what others still use, EAGAIN for what may go the next time, EPERM, EOPNOTSUPP; else EINVAL.
    let errno: Errno
    /// The first error with the command that it is about, on one line.
    let text: String

    /// Reads what the library printed.
    ///
    /// Below each error is the command that it is about, and below that a line of marks. More errors may follow; their
    /// commands would have been right but for the first.
    init(_ output: String) {
        var lines: [[UInt8]] = [[], []]
        var number = 0
        for byte in output.utf8 {
            if byte == UInt8(ascii: "\n") { number += 1 } else if number < 2 { lines[number].append(byte) }
        }
        errno = Self.errno(in: lines[0])
        text = String(decoding: lines[0], as: UTF8.self) + " in: " + String(decoding: lines[1], as: UTF8.self)
    }

    private static func errno(in line: [UInt8]) -> Errno {
        // The library was asked something that can be asked again.
        if contains(line, .interrupted) { return .wouldBlock }
        let known: [Errno] = [.noSuchFile, .fileExists, .busy, .wouldBlock, .notPermitted, .notSupported]
        for errno in known where contains(line, errno) { return errno }
        return .invalidArgument
    }

    /// Whether a line holds the sentence of strerror(3), which follows the name and a colon in the description.
    private static func contains(_ line: [UInt8], _ errno: Errno) -> Bool {
        let sentence = Array(errno.description.utf8)
        let skipped = errno.name.utf8.count + 2
        let length = sentence.count - skipped
        var start = 0
        while start + length <= line.count {
            var same = 0
            while same < length, line[start + same] == sentence[skipped + same] { same += 1 }
            if same == length { return true }
            start += 1
        }
        return false
    }
}
