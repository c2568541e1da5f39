// SPDX-License-Identifier: Apache-2.0

/// Comparisons that look at bytes only.
///
/// The operator for strings compares canonical equivalence, which costs time and, in a static executable, the Unicode
/// tables; in JSON two keys are the same when their code points are.
extension String {
    /// Whether both consist of the same bytes.
    func hasSameBytes(as other: String) -> Bool {
        utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8)
    }

    /// Whether both consist of the same bytes but for the case of ASCII letters.
    func matchesIgnoringCase(_ other: String) -> Bool {
        guard utf8.count == other.utf8.count else { return false }
        var theirs = other.utf8.makeIterator()
        for byte in utf8 {
            guard let their = theirs.next(), byte.lowercasedASCII == their.lowercasedASCII else { return false }
        }
        return true
    }
}

extension UInt8 {
    /// The lower-case form of an ASCII capital, and any other byte unchanged.
    fileprivate var lowercasedASCII: UInt8 {
        UInt8(ascii: "A") <= self && self <= UInt8(ascii: "Z") ? self | 0x20 : self
    }
}
