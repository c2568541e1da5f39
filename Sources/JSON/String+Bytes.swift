// SPDX-License-Identifier: Apache-2.0

/// Comparisons that look at bytes only.
///
/// The operator for strings compares canonical equivalence, which costs time and, in a static executable, the Unicode
/// tables; in JSON two keys are the same when their code points are.
extension String {
    /// Whether both consist of the same bytes.
    func hasSameBytes(as other: String) -> Bool {
        let (own, others) = (utf8Span.span, other.utf8Span.span)
        if own.count != others.count { return false }
        for index in own.indices where own[index] != others[index] { return false }
        return true
    }

    /// Whether both consist of the same bytes but for the case of ASCII letters.
    func matchesIgnoringCase(_ other: String) -> Bool {
        let (own, others) = (utf8Span.span, other.utf8Span.span)
        if own.count != others.count { return false }
        for index in own.indices where own[index].lowercasedASCII != others[index].lowercasedASCII { return false }
        return true
    }
}

extension UInt8 {
    /// The lower-case form of an ASCII capital, and any other byte unchanged.
    fileprivate var lowercasedASCII: UInt8 {
        UInt8(ascii: "A") <= self && self <= UInt8(ascii: "Z") ? self | 0x20 : self
    }
}
