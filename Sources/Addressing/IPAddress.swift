// SPDX-License-Identifier: Apache-2.0

/// An IPv4 or IPv6 address, without a zone.
public struct IPAddress: Hashable, Sendable {
    /// The two versions of the protocol.
    public enum Family: UInt8, Sendable {
        /// IPv4, with 32 bits.
        case v4 = 4

        /// IPv6, with 128 bits.
        case v6 = 6

        /// The number of bits of an address, which is the prefix length of a single host.
        public var hostLength: Int { self == .v4 ? 32 : 128 }

        /// The bits of the highest address.
        var highest: UInt128 { UInt128.max >> (128 - hostLength) }
    }

    /// The version of the protocol.
    public let family: Family

    /// The address as a number; one of IPv4 is in the low 32 bits.
    public let bits: UInt128

    /// Makes an address of a number, of which IPv4 takes the low 32 bits.
    ///
    /// Unlike those from text and bytes, an IPv4-mapped address stays IPv6 here, so that arithmetic never changes family.
    public init(family: Family, bits: UInt128) {
        self.family = family
        self.bits = bits & family.highest
    }

    /// Makes an address of 4 or 16 bytes in network order; an IPv4-mapped one becomes IPv4.
    public init?(bytes: [UInt8]) {
        var bits: UInt128 = 0
        for byte in bytes.prefix(16) { bits = bits << 8 | UInt128(byte) }
        switch bytes.count {
        case 4: self.init(family: .v4, bits: bits)
        case 16: self.init(unmapping: bits)
        default: return nil
        }
    }

    /// Makes an IPv4 address of an IPv4-mapped IPv6 address, and an IPv6 address of any other.
    init(unmapping bits: UInt128) { self.init(family: bits >> 32 == 0xFFFF ? .v4 : .v6, bits: bits) }

    /// The 4 or 16 bytes in network order.
    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(16)
        var shift = family.hostLength
        while shift > 0 {
            shift -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> UInt128(shift)))
        }
        return bytes
    }
}

extension IPAddress: Comparable {
    /// Orders IPv4 before IPv6, then by number.
    public static func < (left: IPAddress, right: IPAddress) -> Bool {
        left.family == right.family ? left.bits < right.bits : left.family == .v4
    }
}

/// Arithmetic, which ends where the family's addresses end.
extension IPAddress {
    /// The address so many places further on; nil beyond the highest.
    public func advanced(by distance: UInt128) -> IPAddress? {
        guard distance <= family.highest - bits else { return nil }
        return IPAddress(family: family, bits: bits + distance)
    }

    /// The next address; nil after the highest.
    public var successor: IPAddress? { advanced(by: 1) }

    /// The address before; nil before the lowest.
    public var predecessor: IPAddress? { bits == 0 ? nil : IPAddress(family: family, bits: bits - 1) }
}

/// The special purposes of RFC 6890 that a plugin must tell apart.
extension IPAddress {
    /// Whether this is the address that stands for none.
    public var isUnspecified: Bool { bits == 0 }

    /// Whether packets to it stay on the host.
    public var isLoopback: Bool { family == .v4 ? bits >> 24 == 127 : bits == 1 }

    /// Whether it names a group of hosts.
    public var isMulticast: Bool { family == .v4 ? bits >> 28 == 0xE : bits >> 120 == 0xFF }

    /// Whether it names a host on the same link only.
    public var isLinkLocalUnicast: Bool { family == .v4 ? bits >> 16 == 0xA9FE : bits >> 118 == 0xFE80 >> 6 }

    /// The group by which neighbours ask for the hardware address of an IPv6 address: RFC 4291, section 2.7.1.
    public var solicitedNodeGroup: IPAddress {
        IPAddress(family: .v6, bits: 0xFF02_0000_0000_0000_0000_0001_FF00_0000 | bits & 0xFF_FFFF)
    }
}
