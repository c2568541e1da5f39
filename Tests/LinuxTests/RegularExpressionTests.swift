// SPDX-License-Identifier: Apache-2.0

import Linux
import Testing

/// Regular expressions of the C library.
@Suite struct RegularExpressionTests {
    @Test(
        arguments: [
            ("b", "abc", true), ("^b", "abc", false), ("a|x", "abc", true), ("^[a-c]{3}$", "abc", true),
            ("^[a-c]{2}$", "abc", false), ("", "abc", true), ("C", "abc", false),
        ]
    )
    func aPatternIsFoundAnywhere(pattern: String, text: String, isFound: Bool) throws {
        let expression = try RegularExpression.compile(pattern)
        let found = expression.matches(text)
        #expect(found == isFound)
    }

    @Test func lettersCanBeTheSameInBothCases() throws {
        let expression = try RegularExpression.compile("C$", ignoringCase: true)
        let found = expression.matches("abc")
        #expect(found)
    }

    @Test(arguments: [
        ("(", "Unmatched ( or \\("), ("[a", "Unmatched [, [^, [:, [., or [="), ("*", "Invalid preceding"),
    ])
    func whatIsNoneIsRefusedWithASentence(pattern: String, sentence: String) {
        var problem = ""
        do { _ = try RegularExpression.compile(pattern) } catch { problem = error.problem }
        #expect(problem.hasPrefix(sentence))
    }
}
