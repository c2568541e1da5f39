// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import JSON
import Linux
import Netlink

extension TunnelEntries {
    /// What leads to other hosts each of which has subnets of its own.
    ///
    /// With `direct` there is no tunnel to hosts on the same link, for subnets of the family that the link has.
    public init(routedTo others: [Peer], own: [Prefix], _ underlay: Underlay, _ identifier: UInt32, direct: Bool) {
        self.init()
        let family = underlay.local.family
        // IPv6 chooses the bridge's address by itself, which is next to those that it talks to; IPv4 does not look at that.
        for subnet in own where subnet.address.family == .v4 {
            if let prefix = Prefix(address: subnet.network, length: 32) { addresses.append(prefix) }
        }
        for peer in others {
            guard let publicIP = peer.publicIP(family) else { continue }
            let mac = peer.vtepMAC ?? .following(publicIP, in: identifier)
            let isNear = direct && underlay.isOnLink(publicIP)
            var isTunnelled = false
            for subnet in peer.subnets {
                if isNear && subnet.address.family == family {
                    self.direct.append((subnet, publicIP))
                } else {
                    routed.append((subnet, mac))
                    isTunnelled = true
                }
            }
            if isTunnelled { forwarding.append((mac, publicIP)) }
        }
    }

    /// What leads to other hosts that are all on one stretched link.
    ///
    /// What nobody knows goes to each of them; what is known of their containers goes to the right one at once.
    public init(floodingTo others: [Peer], _ family: IPAddress.Family) {
        self.init()
        guard let unknown = MACAddress(bytes: [0, 0, 0, 0, 0, 0]) else { return }
        for peer in others {
            guard let publicIP = peer.publicIP(family) else { continue }
            forwarding.append((unknown, publicIP))
            for endpoint in peer.endpoints {
                // One container may have several addresses; what is said twice is done once.
                endpoints.append(endpoint)
                forwarding.append((endpoint.mac, publicIP))
            }
        }
    }
}

extension Peer {
    /// Refuses lists in which hosts exclude each other or do not belong to the network; this host has an address and subnets.
    public static func validate(
        _ others: [Peer],
        local: IPAddress,
        own: [Prefix],
        networks: [Prefix],
        _ vtepMAC: MACAddress
    ) throws(ConfigError) {
        let family = local.family
        var hosts: [(prefix: Prefix, place: String)] = Prefix(local).map { [($0, "local")] } ?? []
        var subnets: [(prefix: Prefix, place: String)] = own.map { ($0, "subnet") }
        var ends: [TunnelEntry.Key: Int] = [:]
        ends[TunnelEntry.key(of: vtepMAC)] = -1
        for (index, peer) in others.enumerated() {
            guard let publicIP = peer.publicIP(family), let prefix = Prefix(publicIP) else {
                let version = family == .v4 ? "IPv4" : "IPv6"
                throw ConfigError(
                    path: peer.path("publicIP"),
                    problem: "it has no " + version + " address, and the tunnel goes over " + version
                )
            }
            hosts.append((prefix, peer.path("publicIP")))
            if let mac = peer.vtepMAC, let other = ends.updateValue(index, forKey: TunnelEntry.key(of: mac)) {
                throw ConfigError(
                    path: peer.path("vtepMAC"),
                    problem: mac.description + " is that of " + (other < 0 ? "this host" : others[other].place)
                )
            }
            for subnet in peer.subnets { subnets.append((subnet, peer.path("subnet"))) }
        }
        for (subnet, place) in subnets where !networks.isEmpty && !networks.contains(where: { $0.contains(subnet) }) {
            let list = networks.map { $0.description }.joined(separator: ", ")
            throw ConfigError(path: place, problem: subnet.description + " is not part of network, " + list)
        }
        try refuseOverlaps(hosts)
        // The tunnel's own packets to a host in somebody's subnet would go into the tunnel.
        try refuseOverlaps(subnets, besides: hosts)
    }

    /// Looks up each network under the lengths that occur, which are few, so that many hosts cost no more each than one.
    private static func refuseOverlaps(
        _ list: [(prefix: Prefix, place: String)],
        besides others: [(prefix: Prefix, place: String)] = []
    ) throws(ConfigError) {
        var lengths: [Int] = []
        for (prefix, _) in list where !lengths.contains(prefix.length) { lengths.append(prefix.length) }
        var known: [TunnelEntry.Key: Int] = [:]
        known.reserveCapacity(list.count)
        for (index, entry) in list.enumerated() {
            let other = known.updateValue(index, forKey: TunnelEntry.address(entry.prefix).key)
            if let other { throw overlap(entry, list[other]) }
        }
        for (entries, isSame) in [(list, true), (others, false)] {
            for entry in entries {
                for length in lengths where length < entry.prefix.length || !isSame {
                    guard let wider = Prefix(address: entry.prefix.address, length: length)?.masked,
                        let other = known[TunnelEntry.address(wider).key]
                    else {
                        continue
                    }
                    throw overlap(entry, list[other])
                }
            }
        }
    }

    private static func overlap(
        _ entry: (prefix: Prefix, place: String),
        _ other: (prefix: Prefix, place: String)
    ) -> ConfigError {
        ConfigError(
            path: entry.place,
            problem: entry.prefix.description + " overlaps " + other.prefix.description + " of " + other.place
        )
    }

    private func path(_ key: String) -> String { place.isEmpty ? key : place + "." + key }
}

extension Prefix {
    /// The network of one host.
    fileprivate init?(_ address: IPAddress) { self.init(address: address, length: address.family.hostLength) }
}
