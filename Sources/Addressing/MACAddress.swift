// SPDX-License-Identifier: Apache-2.0

/// The hardware address of an Ethernet interface.
public struct MACAddress: Hashable, Sendable {
    /// The address as a number, the first octet in bits 40 to 47.
    private let bits: UInt64

    /// Set in addresses that name a group of interfaces.
    private static var groupBit: UInt64 { 1 << 40 }

    /// Set in addresses that no manufacturer assigned.
    private static var localBit: UInt64 { 1 << 41 }

    /// Makes an address of six bytes in the order of transmission.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 6 else { return nil }
        bits = bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Makes an address of the low 48 bits of a number.
    private init(bits: UInt64) { self.bits = bits & 0xFFFF_FFFF_FFFF }

    /// Reads six octets behind colons or hyphens, or three groups of four digits behind full stops, in any letter case.
    public init?(_ text: String) {
        let text = Array(text.utf8)
        let groupLength: Int
        switch text.count {
        case 17: groupLength = 2
        case 14: groupLength = 4
        default: return nil
        }
        let separator = text[groupLength]
        switch (groupLength, separator) {
        case (2, UInt8(ascii: ":")), (2, UInt8(ascii: "-")), (4, UInt8(ascii: ".")): break
        default: return nil
        }
        var bits: UInt64 = 0
        for (index, byte) in text.enumerated() {
            if index % (groupLength + 1) == groupLength {
                guard byte == separator else { return nil }
            } else {
                guard let digit = byte.hexadecimalValue else { return nil }
                bits = bits << 4 | UInt64(digit)
            }
        }
        self.init(bits: bits)
    }

    /// Makes a random address for one interface, as no manufacturer assigns them.
    ///
    /// The same entropy, of which 46 bits are used, gives the same address.
    public static func locallyAdministered(_ entropy: UInt64) -> MACAddress {
        MACAddress(bits: (entropy | localBit) & ~groupBit)
    }

    /// The six bytes in the order of transmission.
    public var bytes: [UInt8] {
        let shifts: [UInt64] = [40, 32, 24, 16, 8, 0]
        return shifts.map { UInt8(truncatingIfNeeded: bits >> $0) }
    }

    /// Whether it names a group of interfaces, as the broadcast address does.
    public var isMulticast: Bool { bits & Self.groupBit != 0 }

    /// Whether all bits are zero, which is the address of an interface that has none.
    public var isZero: Bool { bits == 0 }
}

extension MACAddress: CustomStringConvertible {
    /// Six octets of two lower-case digits with colons between.
    public var description: String {
        var text: [UInt8] = []
        text.reserveCapacity(17)
        for byte in bytes {
            if !text.isEmpty { text.append(UInt8(ascii: ":")) }
            text.appendHexadecimal(UInt64(byte), minimumDigits: 2)
        }
        return String(decoding: text, as: UTF8.self)
    }
}
