// SPDX-License-Identifier: Apache-2.0

/// Addresses as text.
extension IPAddress: CustomStringConvertible {
    /// Reads dotted decimal octets, or IPv6 text as in RFC 4291, section 2.2.
    ///
    /// Octets have no leading zeros, which some programs read as octal. A zone is refused. An IPv4-mapped address becomes
    /// IPv4, as in Go.
    public init?(_ text: String) {
        // The longest text is ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255.
        guard text.utf8.count <= 45 else { return nil }
        let text = ArraySlice(text.utf8)
        if text.contains(UInt8(ascii: ":")) {
            guard let bits = Self.version6(text) else { return nil }
            self.init(unmapping: bits)
        } else {
            guard let bits = Self.version4(text) else { return nil }
            self.init(family: .v4, bits: UInt128(bits))
        }
    }

    /// The canonical text as in RFC 5952.
    public var description: String {
        var text: [UInt8] = []
        text.reserveCapacity(45)
        if family == .v4 {
            appendQuad(to: &text)
        } else if bits >> 32 == 0xFFFF {
            text.append(contentsOf: "::ffff:".utf8)
            appendQuad(to: &text)
        } else {
            appendGroups(to: &text)
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Appends the low 32 bits as dotted decimal octets.
    private func appendQuad(to text: inout [UInt8]) {
        for shift: UInt128 in [24, 16, 8, 0] {
            if shift != 24 { text.append(UInt8(ascii: ".")) }
            let octet = UInt8(truncatingIfNeeded: bits >> shift)
            if octet >= 100 { text.append(UInt8(ascii: "0") + octet / 100) }
            if octet >= 10 { text.append(UInt8(ascii: "0") + octet / 10 % 10) }
            text.append(UInt8(ascii: "0") + octet % 10)
        }
    }

    /// Appends eight hexadecimal groups, with the longest run of zero groups left out.
    private func appendGroups(to text: inout [UInt8]) {
        var groups: [UInt16] = []
        for index: UInt128 in 0..<8 { groups.append(UInt16(truncatingIfNeeded: bits >> (112 - 16 * index))) }
        let gap = Self.longestZeros(in: groups)
        var index = 0
        while index < groups.count {
            if index == gap.lowerBound, !gap.isEmpty {
                text.append(contentsOf: "::".utf8)
                index = gap.upperBound
                continue
            }
            if index > 0, index != gap.upperBound || gap.isEmpty { text.append(UInt8(ascii: ":")) }
            text.appendHexadecimal(UInt64(groups[index]), minimumDigits: 1)
            index += 1
        }
    }

    /// The first of the longest runs of at least two zeros; empty if there is none.
    private static func longestZeros(in groups: [UInt16]) -> Range<Int> {
        var longest = 0..<0
        var start = 0
        while start < groups.count {
            var end = start
            while end < groups.count, groups[end] == 0 { end += 1 }
            // A single zero group is written out: RFC 5952, section 4.2.2.
            if end - start >= 2, end - start > longest.count { longest = start..<end }
            start = end + 1
        }
        return longest
    }

    /// Reads four decimal octets.
    private static func version4(_ text: ArraySlice<UInt8>) -> UInt32? {
        var bits: UInt32 = 0
        var dots = 0
        var octet: UInt32?
        for byte in text {
            if byte == UInt8(ascii: ".") {
                guard let complete = octet, dots < 3 else { return nil }
                bits = bits << 8 | complete
                octet = nil
                dots += 1
            } else {
                guard let digit = byte.decimalValue, octet != 0 else { return nil }
                let value = (octet ?? 0) * 10 + UInt32(digit)
                guard value <= 255 else { return nil }
                octet = value
            }
        }
        guard let octet, dots == 3 else { return nil }
        return bits << 8 | octet
    }

    /// Reads hexadecimal groups, perhaps with a gap, perhaps with dotted octets at the end.
    private static func version6(_ text: ArraySlice<UInt8>) -> UInt128? {
        let colon = UInt8(ascii: ":")
        var groups: [UInt16] = []
        var gap: Int?
        var rest = text
        if rest.starts(with: [colon, colon]) {
            gap = 0
            rest = rest.dropFirst(2)
        }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.hexadecimalValue != nil }
            let behind = rest[digits.endIndex...]
            if behind.first == UInt8(ascii: ".") {
                guard let bits = version4(rest) else { return nil }
                groups.append(UInt16(bits >> 16))
                groups.append(UInt16(bits & 0xFFFF))
                break
            }
            guard 1...4 ~= digits.count else { return nil }
            groups.append(digits.reduce(0) { $0 << 4 | UInt16($1.hexadecimalValue ?? 0) })
            rest = behind
            guard !rest.isEmpty else { break }
            // A colon joins two groups, two of them stand for a gap, and one at the end for nothing.
            guard rest.removeFirst() == colon, let next = rest.first else { return nil }
            guard next == colon else { continue }
            guard gap == nil else { return nil }
            gap = groups.count
            rest.removeFirst()
        }
        if let gap {
            // A gap stands for at least one group.
            guard groups.count < 8 else { return nil }
            groups.insert(contentsOf: repeatElement(0, count: 8 - groups.count), at: gap)
        }
        guard groups.count == 8 else { return nil }
        return groups.reduce(0) { $0 << 16 | UInt128($1) }
    }
}
