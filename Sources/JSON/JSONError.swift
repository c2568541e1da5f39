// SPDX-License-Identifier: Apache-2.0

/// Why a text is not JSON, and where.
public struct JSONError: Error, Equatable, Sendable {
    /// How many bytes precede the place.
    public let offset: Int

    /// The line of the place, counted from 1.
    public let line: Int

    /// The place within the line in characters, counted from 1.
    public let column: Int

    /// What is wrong there.
    public let problem: String

    /// Finds line and column of an offset.
    ///
    /// Only an error pays for this, so the parser has no lines to count.
    init(_ problem: String, at offset: Int, in bytes: [UInt8]) {
        var line = 1
        var column = 1
        for byte in bytes.prefix(offset) {
            if byte == UInt8(ascii: "\n") {
                line += 1
                column = 1
            } else if byte & 0b1100_0000 != 0b1000_0000 {
                // A continuation byte belongs to the character that an editor has counted already.
                column += 1
            }
        }
        self.offset = offset
        self.line = line
        self.column = column
        self.problem = problem
    }
}

extension JSONError: CustomStringConvertible {
    /// Place and problem in one sentence.
    public var description: String { "line \(line), column \(column): \(problem)" }
}
