// SPDX-License-Identifier: Apache-2.0

/// Numbers and what all tokens need.
extension JSONParser {
    /// The next byte; nil at the end.
    var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    /// What a reader would see at this place, for error sentences.
    var found: String {
        guard let byte = peek else { return "the end of the text" }
        switch byte {
        case UInt8(ascii: "\n"): return "the end of the line"
        case 0x21...0x7E: return "\"" + String(decoding: [byte], as: UTF8.self) + "\""
        default: return "the byte 0x\(byte.hexadecimal)"
        }
    }

    /// An error at this place.
    func failure(_ problem: String) -> JSONError { JSONError(problem, at: position, in: bytes) }

    /// Steps over a byte if it is the one given, and says whether it was.
    @discardableResult
    mutating func skip(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        position += 1
        return true
    }

    /// Steps over white space.
    mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    /// Reads a number and keeps its text.
    mutating func number() throws(JSONError) -> String {
        let start = position
        skip(UInt8(ascii: "-"))
        if skip(UInt8(ascii: "0")) {
            if let next = peek, next.isDigit { throw failure("a number must not begin with a zero") }
        } else {
            try digits("a digit is expected in a number, not ")
        }
        if skip(UInt8(ascii: ".")) { try digits("a digit is expected after the decimal point, not ") }
        if skip(UInt8(ascii: "e")) || skip(UInt8(ascii: "E")) {
            if !skip(UInt8(ascii: "+")) { skip(UInt8(ascii: "-")) }
            try digits("a digit is expected in the exponent, not ")
        }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    /// Steps over at least one digit.
    private mutating func digits(_ problem: String) throws(JSONError) {
        guard let first = peek, first.isDigit else { throw failure(problem + found) }
        while position < bytes.count, bytes[position].isDigit { position += 1 }
    }
}

extension UInt8 {
    /// Whether this is the ASCII code of a decimal digit.
    var isDigit: Bool { UInt8(ascii: "0") <= self && self <= UInt8(ascii: "9") }

    /// Two hexadecimal digits.
    var hexadecimal: String {
        String(decoding: [Self.hexadecimalDigit(self >> 4), Self.hexadecimalDigit(self & 0xF)], as: UTF8.self)
    }

    /// The ASCII code of a hexadecimal digit.
    static func hexadecimalDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }

    /// The value of the hexadecimal digit whose ASCII code this is.
    var hexadecimalValue: UInt32? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(self - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(self - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(self - UInt8(ascii: "A") + 10)
        default: nil
        }
    }
}
