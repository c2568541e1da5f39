// SPDX-License-Identifier: Apache-2.0

/// The addresses from one to another, both included.
public struct AddressRange: Hashable, Sendable {
    /// The lowest address.
    public let first: IPAddress

    /// The highest address.
    public let last: IPAddress

    /// Makes a range; nil if the families differ or the last address is below the first.
    public init?(first: IPAddress, last: IPAddress) {
        guard first.family == last.family, first <= last else { return nil }
        self.first = first
        self.last = last
    }

    /// How many addresses there are.
    ///
    /// All of IPv6 are one more than the type can count; they are counted without the last.
    public var count: UInt128 {
        let distance = last.bits - first.bits
        return distance == .max ? .max : distance + 1
    }

    /// Whether an address is in the range.
    public func contains(_ address: IPAddress) -> Bool { first <= address && address <= last }

    /// Whether the ranges have addresses in common.
    public func overlaps(_ other: AddressRange) -> Bool { first <= other.last && other.first <= last }
}

extension AddressRange: CustomStringConvertible {
    /// Both ends with a hyphen between.
    public var description: String { "\(first.description)-\(last.description)" }
}
