// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import JSON
import Linux

/// What private hosts must be like for a network's file to fit them, as if they were those that it was written for.
struct HostsPlan {
    /// One host.
    struct Host {
        /// The addresses by which the others reach it.
        let addresses: [Prefix]
        /// The subnets of its containers, as far as the file tells.
        var subnets: [Prefix] = []
        /// The keys of the plugin that are other than in the file, because they are one host's.
        var changes: [JSONObject.Member] = []
    }

    /// The type of the plugin that leads from host to host.
    static let plugin = "vxlan"

    /// The hosts in the order in which the file names them.
    let hosts: [Host]
    /// The interface of each to the others.
    let interface: String
    /// The addresses of the link itself: where default routes lead, and servers that are on none of the hosts.
    let linkAddresses: [Prefix]
    /// The addresses of the link to which default routes lead.
    let routers: [IPAddress]
    /// Whether all containers are on one link.
    let isBridged: Bool
    /// Whether somebody else fills the entries that lead to the other hosts, which FRR does by BGP EVPN.
    let isExternal: Bool
    /// The servers that the network needs, if it needs any.
    let registry: RegistryPlan?
    /// What is other than in the file, for people.
    let notes: [String]

    /// Reads what a network wants of a number of hosts.
    init(_ list: NetworkList, _ options: Options) throws(CNIError) {
        guard let index = list.plugins.firstIndex(where: { $0.type == Self.plugin }) else {
            let types = list.plugins.map { $0.type }.joined(separator: ", ")
            throw CNIError(
                .invalidConfiguration,
                "containers on different hosts do not reach each other by the network \(list.name)",
                "none of its plugins (\(types)) leads from host to host; add \(Self.plugin), as in "
                    + "conf/20-vxlan-static.conflist, or leave --hosts out"
            )
        }
        let node = ConfigNode(.object(list.plugins[index].document), path: "plugins[\(index)]")
        do throws(ConfigError) {
            self = try HostsPlan(node, options)
        } catch {
            throw .configuration(error)
        }
    }

    private init(_ node: ConfigNode, _ options: Options) throws(ConfigError) {
        try Self.refuseWhatIsForOneHost(node)
        let registry = try node.member("registry")
        if registry == nil, !options.networks.isEmpty {
            throw node.fails("registry is missing: --network is for networks whose hosts find each other in a registry")
        }
        let parts: Parts
        if let registry {
            parts = try Self.registered(registry, options)
        } else if let group = try node.address("group") {
            parts = try Self.grouped(node, group, options.hosts)
        } else {
            parts = try Self.listed(node, options.hosts)
        }
        let master = try node.string("master") ?? ""
        interface = master.isEmpty ? "eth0" : master
        isBridged = try node.string("mode") == "bridged"
        isExternal = try node.string("controlPlane") == "external"
        if isExternal, !isBridged || parts.hosts.contains(where: { $0.addresses.first?.address.family != .v4 }) {
            throw node.fails(
                "controlPlane: somebody else fills the entries that lead to other hosts, and FRR, which cnictl starts for "
                    + "that, does it where mode is bridged and hosts have IPv4 addresses; try a copy without controlPlane"
            )
        }
        (hosts, self.registry, notes) = (parts.hosts, parts.registry, parts.notes)
        var spare: [Prefix] = []
        let used = hosts.flatMap { $0.addresses } + parts.servers
        for host in hosts {
            for prefix in host.addresses where !spare.contains(where: { $0.address.family == prefix.address.family }) {
                let found = LinkAddresses.spare(in: prefix, besides: used.map { $0.address })
                if let found { spare.append(found) }
            }
        }
        routers = spare.map { $0.address }
        linkAddresses = parts.servers + spare
    }

    /// What the ways to find each other differ in.
    struct Parts {
        /// The hosts.
        var hosts: [Host]
        /// The addresses of servers that are on none of the hosts.
        var servers: [Prefix] = []
        /// The servers.
        var registry: RegistryPlan?
        /// What is other than in the file.
        var notes: [String] = []
    }

    /// Refuses what would be wrong on all hosts but one, or is not there on private ones.
    private static func refuseWhatIsForOneHost(_ node: ConfigNode) throws(ConfigError) {
        if let directory = try node.string("peersDir"), !directory.isEmpty {
            throw node.fails("peersDir: \(directory) is not there on private hosts; try a copy with its hosts in peers")
        }
        if let ipam = try node.member("ipam"), try ipam.string("type") == "host-local" {
            for key in ["subnet", "ranges"] where try ipam.member(key) != nil {
                throw ipam.fails(
                    "\(key): every host would give out the same addresses; leave it out, and each host takes them from its "
                        + "own subnet"
                )
            }
        }
        if try node.address("group") != nil { return }
        for key in ["local", "subnet"] {
            guard let value = try node.member(key), value.json != "" else { continue }
            throw value.fails(
                "is one host's, and all private hosts get this file; leave it out, and each host finds itself by its address"
            )
        }
    }

    /// The hosts of a network that lists them.
    private static func listed(_ node: ConfigNode, _ count: Int) throws(ConfigError) -> Parts {
        let peers = try node.elements("peers") ?? []
        if peers.isEmpty {
            throw node.fails(
                "peers is missing: the other hosts with their addresses and subnets, as in conf/20-vxlan-static.conflist"
            )
        }
        guard peers.count >= count else {
            throw node.fails(
                "peers: \(peers.count) hosts are listed, and --hosts asks for \(count); list more, or ask for at most "
                    + "\(peers.count)"
            )
        }
        var found: [(addresses: [IPAddress], subnets: [Prefix])] = []
        for peer in peers.prefix(count) {
            var addresses: [IPAddress] = []
            for key in ["publicIP", "publicIPv6"] {
                guard let address = try peer.address(key) else { continue }
                if found.contains(where: { $0.addresses.contains(address) }) {
                    throw peer.fails("\(key): \(address.description) is the address of another host too")
                }
                addresses.append(address)
            }
            if addresses.isEmpty { throw peer.fails("publicIP is missing") }
            found.append((addresses, try peer.networks("subnet") + peer.networks("ipv6Subnet")))
        }
        var parts = Parts(hosts: [])
        let all = found.flatMap { $0.addresses }
        for host in found {
            guard let prefixes = LinkAddresses.prefixes(host.addresses, besides: all) else {
                throw node.fails(
                    "peers: no network holds the addresses of all hosts; try a copy with ones that are alike"
                )
            }
            parts.hosts.append(Host(addresses: prefixes, subnets: host.subnets))
        }
        return parts
    }
}

extension ConfigNode {
    /// A list of networks: an array, or one text with commas between them; host bits do not count.
    func networks(_ key: String) throws(ConfigError) -> [Prefix] {
        guard let node = try member(key) else { return [] }
        var nodes = [node]
        if case .array = node.json { nodes = try node.elements() }
        var networks: [Prefix] = []
        for node in nodes {
            for part in try node.string().utf8.split(separator: UInt8(ascii: ",")) {
                guard let prefix = Prefix(String(decoding: Array(part), as: UTF8.self)) else {
                    throw node.fails("must be a network such as 10.5.0.0/16")
                }
                networks.append(prefix.masked)
            }
        }
        return networks
    }
}
