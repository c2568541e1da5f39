// SPDX-License-Identifier: Apache-2.0

/// Strings: the plain ones at once, the others piece by piece.
extension JSONParser {
    /// The replacement character in UTF-8.
    private static var replacement: [UInt8] { [0xEF, 0xBF, 0xBD] }

    /// Reads a string from its opening quote to behind its closing one.
    mutating func string() throws(JSONError) -> String {
        position += 1
        let start = position
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                defer { position += 1 }
                return String(decoding: bytes[start..<position], as: UTF8.self)
            }
            // Nearly all strings are ASCII without escapes and never need the copy below.
            guard byte.isPlain else { break }
            position += 1
        }
        return try rest(of: Array(bytes[start..<position]))
    }

    /// Reads on where escapes, non-ASCII characters or errors begin.
    private mutating func rest(of beginning: [UInt8]) throws(JSONError) -> String {
        var text = beginning
        while position < bytes.count {
            let byte = bytes[position]
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"):
                try escape(into: &text)
            case 0..<0x20:
                throw failure("a string must not contain the control character 0x\(byte.hexadecimal); escape it")
            case 0x80...:
                character(into: &text)
            default:
                text.append(byte)
                position += 1
            }
        }
        throw failure("the text ends within a string")
    }

    /// Copies a character of several bytes, or replaces one byte that belongs to none.
    ///
    /// Go replaces byte by byte, the standard library one truncated character at a time; we follow Go.
    private mutating func character(into text: inout [UInt8]) {
        let length = characterLength()
        if length == 0 {
            text.append(contentsOf: Self.replacement)
            position += 1
        } else {
            text.append(contentsOf: bytes[position..<position + length])
            position += length
        }
    }

    /// The length of the character here, which is not ASCII; 0 if it is not valid UTF-8.
    private func characterLength() -> Int {
        let first = bytes[position]
        let length: Int
        // The second byte has a narrower range where a wider one would allow overlong forms, surrogates, or code points
        // beyond U+10FFFF (RFC 3629, section 4).
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch first {
        case 0xC2...0xDF: length = 2
        case 0xE0...0xEF:
            length = 3
            if first == 0xE0 { second = 0xA0...0xBF }
            if first == 0xED { second = 0x80...0x9F }
        case 0xF0...0xF4:
            length = 4
            if first == 0xF0 { second = 0x90...0xBF }
            if first == 0xF4 { second = 0x80...0x8F }
        default: return 0
        }
        guard position + length <= bytes.count, second.contains(bytes[position + 1]) else { return 0 }
        for index in 2..<4 where index < length {
            guard bytes[position + index] & 0xC0 == 0x80 else { return 0 }
        }
        return length
    }

    /// Reads an escape from its backslash on.
    private mutating func escape(into text: inout [UInt8]) throws(JSONError) {
        position += 1
        guard let letter = peek else { throw failure("the text ends within a string") }
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(letter)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            position += 1
            return try unicodeEscape(into: &text)
        default: throw failure("an escape is one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u, not \\ followed by \(found)")
        }
        position += 1
    }

    /// Reads the digits of a Unicode escape, and a second escape if only both together are a character.
    private mutating func unicodeEscape(into text: inout [UInt8]) throws(JSONError) {
        var value = try fourDigits()
        if 0xD800..<0xDC00 ~= value, bytes[position...].starts(with: [UInt8(ascii: "\\"), UInt8(ascii: "u")]) {
            let behindFirst = position
            position += 2
            let second = try fourDigits()
            if 0xDC00..<0xE000 ~= second {
                value = 0x10000 + (value - 0xD800) << 10 + (second - 0xDC00)
            } else {
                // The second is a character of its own, or the first half of the next.
                position = behindFirst
            }
        }
        // Half of a pair is no character.
        let scalar = Unicode.Scalar(value) ?? "\u{FFFD}"
        text.append(contentsOf: scalar.utf8)
    }

    /// Reads the four digits of a Unicode escape.
    private mutating func fourDigits() throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = peek?.hexadecimalValue else {
                throw failure("\\u takes four hexadecimal digits, not \(found)")
            }
            value = value << 4 | digit
            position += 1
        }
        return value
    }
}

extension UInt8 {
    /// Whether the byte stands for itself in a string and is a character by itself.
    fileprivate var isPlain: Bool {
        0x20 <= self && self < 0x80 && self != UInt8(ascii: "\"") && self != UInt8(ascii: "\\")
    }
}
