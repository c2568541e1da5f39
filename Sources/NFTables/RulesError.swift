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

    /// One line with the transaction and the sentence.
    public var description: String { "cannot \(operation): \(text)" }
}

/// What libnftables says of a failure: only text, in which the sentences of strerror(3) tell kinds of failure apart.
struct Refusal {
    /// ENOENT, EEXIST, EBUSY for what others still use, EAGAIN for what may go the next time, EPERM, EOPNOTSUPP; else EINVAL.
    let errno: Errno
    /// The first error with the command that it is about, on one line.
    let text: String

    /// Reads what the library printed.
    init(_ output: String) {
        let lines = output.utf8.split(separator: UInt8(ascii: "\n"))
        // More errors may follow; they are about commands that would have been right but for the first.
        let first = lines.first.map { Array($0) } ?? Array("libnftables says nothing".utf8)
        errno = Self.errno(in: first)
        var message = first[...]
        if message.starts(with: "Error: ".utf8) { message = message.dropFirst(7) }
        text = String(decoding: message, as: UTF8.self) + Self.command(lines.dropFirst().first)
    }

    /// The command, which the library prints below the error.
    private static func command(_ line: Substring.UTF8View?) -> String {
        guard let line, !line.starts(with: "Error:".utf8) else { return "" }
        return " (\(String(decoding: line, as: UTF8.self)))"
    }

    private static func errno(in line: [UInt8]) -> Errno {
        let known: [(Errno, meaning: Errno)] = [
            (.noSuchFile, .noSuchFile), (.fileExists, .fileExists), (.busy, .busy), (.wouldBlock, .wouldBlock),
            (.interrupted, .wouldBlock), (.notPermitted, .notPermitted), (.notSupported, .notSupported),
        ]
        for (errno, meaning) in known {
            // The description is the name, a colon, and the sentence of strerror(3), which the library uses as well.
            let sentence = errno.description.utf8.dropFirst(errno.name.utf8.count + 2)
            if line.contains(Array(sentence)) { return meaning }
        }
        return .invalidArgument
    }
}

extension [UInt8] {
    /// Whether other bytes are among these, one after the other.
    fileprivate func contains(_ other: [UInt8]) -> Bool {
        guard !other.isEmpty, count >= other.count else { return false }
        return (0...count - other.count).contains { self[$0...].starts(with: other) }
    }
}
