// SPDX-License-Identifier: Apache-2.0

import CLinux

/// An extended regular expression of POSIX: regex(7).
///
/// It compares bytes, since a plugin never asks for a locale.
@safe public struct RegularExpression: ~Copyable {
    private let expression: UnsafeMutableRawPointer

    /// Compiles a pattern.
    ///
    /// - Throws: A sentence of the C library if it is not one.
    public static func compile(
        _ pattern: String,
        ignoringCase: Bool = false
    ) throws(PatternError) -> RegularExpression {
        var problem = [CChar](repeating: 0, count: 128)
        let size = problem.count
        if let expression = unsafe linux_expression_open(pattern, ignoringCase, &problem, size) {
            return unsafe RegularExpression(expression: expression)
        }
        let sentence = problem.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        throw PatternError(String(decoding: sentence, as: UTF8.self))
    }

    private init(expression: UnsafeMutableRawPointer) { unsafe self.expression = expression }

    deinit { unsafe linux_expression_close(expression) }

    /// Whether the pattern is found anywhere in a text.
    public func matches(_ text: String) -> Bool { unsafe linux_expression_matches(expression, text) }
}

/// Why a text is no regular expression.
public struct PatternError: Error, Equatable, Sendable {
    /// What is wrong with it.
    public let problem: String

    /// Makes an error of a sentence.
    public init(_ problem: String) { self.problem = problem }
}
