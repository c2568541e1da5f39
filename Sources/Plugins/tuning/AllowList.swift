// SPDX-License-Identifier: Apache-2.0

import CNI
import Linux

/// The file in which an operator says which kernel settings may be set: one regular expression on each line.
///
/// A key is allowed if an expression is found anywhere in it, as it is written in the configuration. Without the file
/// everything below net is allowed; an empty one allows nothing.
struct AllowList {
    static let path = "/etc/cni/tuning/allowlist.conf"
    /// The lines that are not empty, with their numbers.
    private let lines: [(number: Int, text: String)]

    /// Reads the file; nothing if there is none.
    static func read() throws(CNIError) -> AllowList? {
        let bytes: [UInt8]
        do { bytes = try FileDescriptor.open(path).readAll() } catch {
            if error == .noSuchFile || error == .notDirectory { return nil }
            throw .inputOutput(error, "read the list of allowed sysctls \(path)")
        }
        var lines: [(number: Int, text: String)] = []
        let split = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, line) in split.enumerated() {
            let text = trimmed(line)
            if !text.isEmpty { lines.append((index + 1, String(decoding: Array(text), as: UTF8.self))) }
        }
        return AllowList(lines: lines)
    }

    private static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let isSpace = { (byte: UInt8) in byte == 32 || (9...13).contains(byte) }
        var line = line.drop(while: isSpace)
        while let last = line.last, isSpace(last) { line.removeLast() }
        return line
    }

    /// Refuses settings that no line allows; every line is compiled, so that a wrong one is not found by accident.
    func permit(_ settings: [PlacedSetting]) throws(CNIError) {
        var refused = settings.map { $0.setting }
        for line in lines {
            do throws(PatternError) {
                let pattern = try AllowListPattern(line.text)
                let expression = try RegularExpression.compile(pattern.posix, ignoringCase: pattern.ignoresCase)
                refused = refused.filter { !expression.matches($0.key) }
            } catch {
                throw CNIError(
                    .invalidConfiguration,
                    "line \(line.number) of \(Self.path) is not a regular expression",
                    "\(line.text): \(error.problem)"
                )
            }
        }
        guard let first = refused.first else { return }
        let allowed = lines.map { $0.text }.joined(separator: " ")
        throw CNIError(
            .invalidConfiguration,
            "Sysctl \(first.key) is not allowed. Only the following sysctls are allowed: [\(allowed)]",
            "\(first.place): an expression that is found in the key must be in \(Self.path)"
        )
    }
}
