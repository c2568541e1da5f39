// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Addresses of hosts that are to be on one link, whatever is between them in the real world.
enum LinkAddresses {
    /// The addresses with the length of a network that holds all of their family, the usual one if that does.
    ///
    /// - Returns: Nothing if addresses of one family have not even their first bit in common.
    static func prefixes(_ addresses: [IPAddress], besides others: [IPAddress]) -> [Prefix]? {
        var prefixes: [Prefix] = []
        for address in addresses {
            var length = address.family == .v4 ? 24 : 64
            for other in addresses + others where other.family == address.family {
                length = min(length, commonLength(address, other))
            }
            guard length > 0, let prefix = Prefix(address: address, length: length) else { return nil }
            prefixes.append(prefix)
        }
        return prefixes
    }

    private static func commonLength(_ one: IPAddress, _ other: IPAddress) -> Int {
        let unused = 128 - one.family.hostLength
        return min((one.bits ^ other.bits).leadingZeroBitCount - unused, one.family.hostLength)
    }

    /// As many addresses as are wanted: the given ones first, and then others of the usual network around the first.
    static func filled(_ given: [IPAddress], count: Int) -> [IPAddress] {
        var addresses = Array(given.prefix(count))
        guard let first = given.first else { return [] }
        let length = first.family == .v4 ? 24 : 64
        var next = Prefix(address: first, length: length)?.network.successor
        while addresses.count < count, let address = next {
            if !given.contains(address) { addresses.append(address) }
            next = address.successor
        }
        return addresses
    }

    /// An address of a network that no host has, for the link itself.
    static func spare(in network: Prefix, besides used: [IPAddress]) -> Prefix? {
        // The last address of an IPv4 network is for all of its hosts.
        var next = network.address.family == .v4 ? network.last.predecessor : network.last
        while let address = next, used.contains(address) { next = address.predecessor }
        return next.flatMap { Prefix(address: $0, length: network.length) }
    }
}
