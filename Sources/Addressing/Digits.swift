// SPDX-License-Identifier: Apache-2.0

/// Digits as ASCII codes.
extension UInt8 {
    /// The value of the decimal digit whose code this is.
    var decimalValue: UInt8? {
        UInt8(ascii: "0") <= self && self <= UInt8(ascii: "9") ? self - UInt8(ascii: "0") : nil
    }

    /// The value of the hexadecimal digit, of any case, whose code this is.
    var hexadecimalValue: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

extension [UInt8] {
    /// Appends a number in lower-case hexadecimal digits.
    mutating func appendHexadecimal(_ value: UInt64, minimumDigits: Int) {
        var digits = Swift.max(minimumDigits, (UInt64.bitWidth - value.leadingZeroBitCount + 3) / 4)
        while digits > 0 {
            digits -= 1
            let digit = UInt8(truncatingIfNeeded: value >> UInt64(4 * digits)) & 0xF
            append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }
}
