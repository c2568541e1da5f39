// SPDX-License-Identifier: Apache-2.0

import AddressStore
import Addressing
import CNI
import JSON

extension RangeSet {
    /// The family of the addresses.
    var family: IPAddress.Family? { ranges.first?.subnet.address.family }

    /// Whether two sets could give the same address.
    func overlaps(_ other: RangeSet) -> Bool {
        ranges.contains { mine in other.ranges.contains { $0.addresses.overlaps(mine.addresses) } }
    }

    /// Reads a list of ranges that make up one pool.
    init(_ node: ConfigNode) throws(ConfigError) {
        var ranges: [Range] = []
        for element in try node.elements() {
            let range = try Range(element)
            for earlier in ranges {
                if earlier.subnet.address.family != range.subnet.address.family {
                    throw element.fails("mixed address families; make a range set for each family")
                }
                if earlier.addresses.overlaps(range.addresses) {
                    throw element.fails(
                        "subnets \(earlier.addresses.description) and \(range.addresses.description) overlap"
                    )
                }
            }
            ranges.append(range)
        }
        if ranges.isEmpty { throw node.fails("empty range set") }
        self.init(ranges)
    }
}

extension RangeSet.Range {
    /// Reads a range: a subnet, and what is to be used of it.
    init(_ node: ConfigNode) throws(ConfigError) {
        guard let subnet = try node.prefix("subnet") else { throw node.fails("subnet is missing") }
        func fails(_ key: String, _ problem: String) -> ConfigError {
            ConfigError(path: node.path.isEmpty ? key : "\(node.path).\(key)", problem: problem)
        }
        guard subnet.length <= subnet.hostLength - 2 else {
            throw fails("subnet", "Network \(subnet.description) too small to allocate from")
        }
        guard subnet.isNetwork else {
            throw fails(
                "subnet",
                "Network has host bits set. For a subnet mask of length \(subnet.length) the network address is \(subnet.network.description)"
            )
        }
        guard let second = subnet.network.successor, let beforeLast = subnet.last.predecessor else {
            throw fails("subnet", "Network \(subnet.description) too small to allocate from")
        }
        let isV4 = subnet.address.family == .v4
        var start = try node.address("rangeStart") ?? second
        var end = try node.address("rangeEnd") ?? (isV4 ? beforeLast : subnet.last)
        if !subnet.contains(start) {
            throw fails("rangeStart", "RangeStart \(start.description) not in network \(subnet.description)")
        }
        if !subnet.contains(end) {
            throw fails("rangeEnd", "RangeEnd \(end.description) not in network \(subnet.description)")
        }
        // The first and the last address of an IPv4 network mean the network itself; podman asks for them.
        if isV4 && start == subnet.network { start = second }
        if isV4 && end == subnet.last { end = beforeLast }
        guard let addresses = AddressRange(first: start, last: end) else {
            throw fails(
                "rangeEnd",
                "it is before rangeStart, so that no address is left: \(start.description) to \(end.description)"
            )
        }
        self.init(addresses: addresses, subnet: subnet, gateway: try node.address("gateway") ?? second)
    }
}
