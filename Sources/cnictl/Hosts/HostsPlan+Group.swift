// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import JSON
import Linux

/// Hosts that find each other by a multicast group: the file names nobody, or only the host that it was written for.
extension HostsPlan {
    /// The hosts of a network with a group.
    static func grouped(_ node: ConfigNode, _ group: IPAddress, _ count: Int) throws(ConfigError) -> Parts {
        let networks = try node.networks("network")
        let local = try node.address("local")
        var first = local
        if first == nil { first = try free(group.family, besides: networks, node) }
        guard let first, first.family == group.family else {
            throw node.fails("local: it and the group are of different versions of IP")
        }
        let addresses = LinkAddresses.filled([first], count: count)
        var parts = Parts(hosts: (LinkAddresses.prefixes(addresses, besides: []) ?? []).map { Host(addresses: [$0]) })
        guard parts.hosts.count == count else { throw node.fails("local: no other host has room beside it") }
        if local != nil {
            for index in parts.hosts.indices {
                parts.hosts[index].changes.append(.init("local", .string(addresses[index].description)))
            }
            parts.notes.append("local differs from the file: each host has its own address")
        }
        // Who gives out the addresses otherwise knows the whole network.
        guard case .object(let ipam)? = try node.member("ipam")?.json, ipam["type"] == "host-local" else {
            return parts
        }
        let given = try node.networks("subnet")
        for index in parts.hosts.indices {
            for network in networks { parts.hosts[index].subnets.append(try part(index, of: network, given, node)) }
            let text = parts.hosts[index].subnets.map { $0.description }.joined(separator: ",")
            parts.hosts[index].changes.append(.init("subnet", .string(text)))
        }
        if !networks.isEmpty {
            parts.notes.append("subnet differs from the file: each host has its own part of network")
        }
        return parts
    }

    /// The address of the first host in a net that the network does not use itself.
    private static func free(
        _ family: IPAddress.Family,
        besides networks: [Prefix],
        _ node: ConfigNode
    ) throws(ConfigError) -> IPAddress {
        let candidates = family == .v4 ? ["192.168.9.1/24", "172.31.9.1/24"] : ["fd09::1/64", "fd99::1/64"]
        for candidate in candidates.compactMap({ Prefix($0) }) where !networks.contains(where: candidate.overlaps) {
            return candidate.address
        }
        throw node.fails("network: it leaves no room for the addresses of the hosts themselves")
    }

    /// A host's part of a network: the file's own for the first host, and those behind it for the others.
    private static func part(
        _ index: Int,
        of network: Prefix,
        _ given: [Prefix],
        _ node: ConfigNode
    ) throws(ConfigError) -> Prefix {
        let own = given.first { network.contains($0) }
        let bits = network.hostLength
        // Room for sixteen hosts, in parts of a usual size where they fit.
        let length = own?.length ?? min(max(bits == 32 ? 24 : 80, network.length + 4), bits - 2)
        let size: UInt128 = 1 << UInt128(bits - length)
        let start = own?.network ?? network.network.advanced(by: size)
        guard let address = start?.advanced(by: size * UInt128(index)), network.contains(address),
            let part = Prefix(address: address, length: length)
        else {
            throw node.fails("network: \(network.description) has no room for a subnet of each host")
        }
        return part
    }
}
