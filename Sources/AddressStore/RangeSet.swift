// SPDX-License-Identifier: Apache-2.0

import Addressing
import Linux

/// A pool of addresses: ranges of one family, of which an attachment gets one address.
public struct RangeSet: Sendable {
    /// A range of addresses with the one that is never given out.
    public struct Range: Sendable {
        /// The first and the last address.
        public let addresses: AddressRange
        /// The network that they are part of.
        public let subnet: Prefix
        /// The address of the gateway.
        public let gateway: IPAddress

        /// Makes a range.
        public init(addresses: AddressRange, subnet: Prefix, gateway: IPAddress) {
            self.addresses = addresses
            self.subnet = subnet
            self.gateway = gateway
        }
    }

    /// The ranges, in the order in which they are used.
    public let ranges: [Range]

    /// Makes a set.
    public init(_ ranges: [Range]) { self.ranges = ranges }

    /// The ranges as messages show them.
    public var description: String { ranges.map { $0.addresses.description }.joined(separator: ",") }

    /// The range that an address is in.
    public func range(of address: IPAddress) -> Range? { ranges.first { $0.addresses.contains(address) } }

    /// How many addresses there are to give.
    public var count: UInt128 {
        ranges.reduce(0) { sum, range in
            let own = range.addresses.count - (range.addresses.contains(range.gateway) ? 1 : 0)
            let (total, overflow) = sum.addingReportingOverflow(own)
            return overflow ? .max : total
        }
    }

    /// The next address that is free: after the last one that was given, around the set once, that one itself at last.
    ///
    /// The first free address of a stretch is what `free` finds.
    func next(after last: IPAddress?, _ free: (AddressRange) -> IPAddress?) -> IPAddress? {
        let start = ranges.firstIndex { range in last.map { range.addresses.contains($0) } ?? false }
        guard let start, let last else { return firstFree(in: ranges[...].map { $0 }, free) }
        let here = ranges[start]
        var stretches: [Range] = []
        if let next = last.successor, let rest = AddressRange(first: next, last: here.addresses.last) {
            stretches.append(Range(addresses: rest, subnet: here.subnet, gateway: here.gateway))
        }
        stretches += ranges[(start + 1)...] + ranges[..<start]
        if let before = AddressRange(first: here.addresses.first, last: last) {
            stretches.append(Range(addresses: before, subnet: here.subnet, gateway: here.gateway))
        }
        return firstFree(in: stretches, free)
    }

    private func firstFree(in stretches: [Range], _ free: (AddressRange) -> IPAddress?) -> IPAddress? {
        for stretch in stretches {
            var rest: AddressRange? = stretch.addresses
            while let here = rest, let found = free(here) {
                if found != stretch.gateway { return found }
                rest = found.successor.flatMap { AddressRange(first: $0, last: here.last) }
            }
        }
        return nil
    }
}
