// SPDX-License-Identifier: Apache-2.0

import Linux

/// A regular expression of Go, in which lists of allowed settings are written, in the words of POSIX.
///
/// Most of it is the same. What is not is translated or refused: an expression that came to allow more than was meant
/// would be worse than none.
struct AllowListPattern {
    /// The expression as regcomp(3) reads it.
    private(set) var posix = ""
    /// Whether upper and lower case are the same.
    private(set) var ignoresCase = false
    private var rest: ArraySlice<UInt8>
    private var output: [UInt8] = []
    /// Whether what comes last can be repeated, or has been already.
    private var last = Last.nothing

    private enum Last { case nothing, item, repetition }

    /// Translates an expression.
    init(_ text: String) throws(PatternError) {
        rest = Array(text.utf8)[...]
        if rest.starts(with: Array("(?i)".utf8)) {
            ignoresCase = true
            rest = rest.dropFirst(4)
        }
        while let byte = rest.popFirst() { try translate(byte) }
        posix = String(decoding: output, as: UTF8.self)
    }

    private mutating func translate(_ byte: UInt8) throws(PatternError) {
        switch byte {
        case UInt8(ascii: "\\"): try escape()
        case UInt8(ascii: "["): try bracket()
        case UInt8(ascii: "("): try group()
        case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?"): try repetition(byte)
        case UInt8(ascii: "{"):
            let count = rest.prefix { $0 != UInt8(ascii: "}") }
            guard let first = count.first, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else {
                throw PatternError("a number is expected behind {")
            }
            output += [byte] + count
            rest = rest.dropFirst(count.count)
            if let end = rest.popFirst() { output.append(end) }
            try repeated()
        case UInt8(ascii: "|"), UInt8(ascii: "^"):
            output.append(byte)
            last = .nothing
        case 0, 0x80...: throw PatternError("only ASCII characters can be in the name of a setting")
        default: append([byte])
        }
    }

    private mutating func append(_ bytes: [UInt8]) {
        output += bytes
        last = .item
    }

    private mutating func repetition(_ byte: UInt8) throws(PatternError) {
        output.append(byte)
        try repeated()
    }

    /// Notes a repetition; that it takes as little as it can makes no difference to whether there is a match.
    private mutating func repeated() throws(PatternError) {
        guard last == .item else { throw PatternError("there is nothing to repeat, or it is repeated twice") }
        last = .repetition
        if rest.first == UInt8(ascii: "?") { rest = rest.dropFirst() }
    }

    private mutating func group() throws(PatternError) {
        if rest.first == UInt8(ascii: "?") {
            guard rest.dropFirst().first == UInt8(ascii: ":") else {
                throw PatternError("of groups that begin with (? only (?: is understood, and (?i) at the beginning")
            }
            rest = rest.dropFirst(2)
        }
        output.append(UInt8(ascii: "("))
        last = .nothing
    }

    private mutating func escape() throws(PatternError) {
        let letter = try escapedByte()
        switch letter {
        case UInt8(ascii: "A"): output.append(UInt8(ascii: "^"))
        case UInt8(ascii: "z"): output.append(UInt8(ascii: "$"))
        case UInt8(ascii: "b"), UInt8(ascii: "B"): output += [UInt8(ascii: "\\"), letter]
        default:
            if let members = Self.members(of: letter | 0x20) {
                let isNegated = letter & 0x20 == 0
                append(Array("[\(isNegated ? "^" : "")\(members)]".utf8))
            } else if Self.isLetterOrDigit(letter) {
                throw Self.notUnderstood(letter)
            } else {
                append([UInt8(ascii: "\\"), letter])
            }
        }
    }

    /// Translates a class of characters.
    ///
    /// POSIX knows no escapes in it, so what has a meaning there is refused.
    private mutating func bracket() throws(PatternError) {
        output.append(UInt8(ascii: "["))
        if rest.first == UInt8(ascii: "^") { output.append(rest.removeFirst()) }
        if rest.first == UInt8(ascii: "]") { output.append(rest.removeFirst()) }
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "]"): return append([byte])
            case UInt8(ascii: "["):
                output.append(byte)
                // A class such as [:alpha:], which both know.
                if rest.first == UInt8(ascii: ":") {
                    while let next = rest.popFirst() {
                        output.append(next)
                        if next == UInt8(ascii: "]") { break }
                    }
                } else if rest.first == UInt8(ascii: ".") || rest.first == UInt8(ascii: "=") {
                    throw PatternError("write [ at the end of a class of characters")
                }
            case UInt8(ascii: "\\"):
                let letter = try escapedByte()
                if let members = Self.members(of: letter) {
                    output += Array(members.utf8)
                } else if Self.isLetterOrDigit(letter) || Array("]-^[".utf8).contains(letter) {
                    throw Self.notUnderstood(letter)
                } else {
                    output.append(letter)
                }
            default: output.append(byte)
            }
        }
        throw PatternError("a class of characters has no end")
    }

    private mutating func escapedByte() throws(PatternError) -> UInt8 {
        guard let letter = rest.popFirst(), letter > 0, letter < 0x80 else {
            throw PatternError("a backslash needs an ASCII character behind it")
        }
        return letter
    }

    /// The characters of a class that is written with a lower-case letter.
    private static func members(of letter: UInt8) -> String? {
        switch letter {
        case UInt8(ascii: "d"): "0-9"
        case UInt8(ascii: "w"): "0-9A-Za-z_"
        case UInt8(ascii: "s"): " \t\n\u{c}\r"
        default: nil
        }
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }

    private static func notUnderstood(_ letter: UInt8) -> PatternError {
        PatternError("\\\(String(decoding: [letter], as: UTF8.self)) is not understood here")
    }
}
