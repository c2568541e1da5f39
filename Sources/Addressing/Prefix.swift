// SPDX-License-Identifier: Apache-2.0

/// An address with the length of its network's prefix, such as 10.1.0.5/16.
///
/// The bits behind the prefix are kept: the same type holds the address of an interface and, without such bits, a network.
public struct Prefix: Hashable, Sendable {
    /// The address, host bits included.
    public let address: IPAddress

    /// How many leading bits the addresses of the network have in common.
    public let length: Int

    /// Makes a prefix; nil if the length is negative or beyond the bits of the address.
    public init?(address: IPAddress, length: Int) {
        guard 0...address.family.hostLength ~= length else { return nil }
        self.init(unchecked: address, length: length)
    }

    /// Makes a prefix whose length is known to fit.
    private init(unchecked address: IPAddress, length: Int) {
        self.address = address
        self.length = length
    }

    /// Reads an address, a slash and a decimal length without sign or leading zeros.
    ///
    /// As an IPv4-mapped address becomes IPv4, its length becomes that within IPv4.
    public init?(_ text: String) {
        guard let slash = text.utf8.firstIndex(of: UInt8(ascii: "/")) else { return nil }
        let front = text.utf8[..<slash]
        guard let address = IPAddress(String(decoding: Array(front), as: UTF8.self)) else { return nil }
        guard let length = Self.length(Array(text.utf8[slash...].dropFirst())) else { return nil }
        let isMapped = address.family == .v4 && front.contains(UInt8(ascii: ":"))
        self.init(address: address, length: isMapped ? length - 96 : length)
    }

    /// Reads a length of at most three digits.
    private static func length(_ digits: [UInt8]) -> Int? {
        guard 1...3 ~= digits.count, digits.count == 1 || digits[0] != UInt8(ascii: "0") else { return nil }
        var value = 0
        for byte in digits {
            guard let digit = byte.decimalValue else { return nil }
            value = value * 10 + Int(digit)
        }
        return value
    }

    /// All IPv4 addresses, the destination of a default route.
    public static var defaultV4: Prefix { Prefix(unchecked: IPAddress(family: .v4, bits: 0), length: 0) }

    /// All IPv6 addresses, the destination of a default route.
    public static var defaultV6: Prefix { Prefix(unchecked: IPAddress(family: .v6, bits: 0), length: 0) }

    /// The length of a prefix that holds one address: 32 or 128 by family.
    public var hostLength: Int { address.family.hostLength }

    /// The bits that differ between addresses of the network.
    private var hostMask: UInt128 { UInt128.max >> (128 - (hostLength - length)) }

    /// The lowest address of the network.
    public var network: IPAddress { IPAddress(family: address.family, bits: address.bits & ~hostMask) }

    /// The highest address of the network, which is the broadcast address of an IPv4 network.
    public var last: IPAddress { IPAddress(family: address.family, bits: address.bits | hostMask) }

    /// The prefix with its host bits cleared.
    public var masked: Prefix { Prefix(unchecked: network, length: length) }

    /// Whether no host bit is set.
    public var isNetwork: Bool { address.bits & hostMask == 0 }

    /// Whether an address belongs to the network.
    public func contains(_ other: IPAddress) -> Bool {
        other.family == address.family && (other.bits ^ address.bits) & ~hostMask == 0
    }

    /// Whether all addresses of another network belong to this one.
    public func contains(_ other: Prefix) -> Bool { other.length >= length && contains(other.address) }

    /// Whether the networks have addresses in common.
    public func overlaps(_ other: Prefix) -> Bool { contains(other) || other.contains(self) }
}

extension Prefix: CustomStringConvertible {
    /// Address and length, in the form that the initialiser reads.
    public var description: String { "\(address.description)/\(length)" }
}
