// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import JSON

/// The members of etcd that a network names, and what they are to be told of it.
struct RegistryPlan {
    /// A member.
    struct Member {
        /// The address in the form of the file.
        let url: String
        /// Where it listens.
        let address: IPAddress
        /// The port for those who ask it.
        let port: UInt16

        /// The port for the other members.
        var peerPort: UInt16 { port == .max ? port - 1 : port + 1 }

        /// An address for the other members.
        var peerURL: String {
            let host = address.family == .v6 ? "[\(address.description)]" : address.description
            return "http://\(host):\(peerPort)"
        }
    }

    /// The members in the order of the file.
    let members: [Member]
    /// What the keys begin with.
    let prefix: String
    /// Where overlayd writes what the plugin reads.
    let directory: String
    /// The networks of all hosts' containers.
    let networks: [Prefix]

    /// Reads what the file says of the registry.
    init(_ node: ConfigNode, _ networks: [Prefix]) throws(ConfigError) {
        for key in ["caFile", "certFile", "keyFile", "username", "passwordFile"] {
            guard let text = try node.string(key), !text.isEmpty else { continue }
            throw node.fails(
                "\(key): a private etcd has neither certificates nor users; try a copy without it and with http:// addresses"
            )
        }
        var members: [Member] = []
        for endpoint in try node.elements("endpoints") ?? [] { members.append(try Self.member(endpoint)) }
        guard let first = members.first else { throw node.fails("endpoints is missing: the members of etcd") }
        guard members.allSatisfy({ $0.address.family == first.address.family }) else {
            throw node.fails("endpoints: private hosts have addresses of one version of IP, and these are of both")
        }
        self.members = members
        var prefix = Array((try node.string("prefix") ?? "/coreos.com/network").utf8)
        while prefix.last == UInt8(ascii: "/") { prefix.removeLast() }
        self.prefix = String(decoding: prefix, as: UTF8.self)
        directory = try node.string("runDir") ?? "/run/swift-cni/overlay"
        self.networks = networks
    }

    /// The network's configuration in the registry, in Flannel's form.
    var configuration: JSON {
        var object = JSONObject([])
        for network in networks {
            if network.address.family == .v4 {
                object["Network"] = .string(network.description)
            } else {
                object["EnableIPv6"] = true
                object["IPv6Network"] = .string(network.description)
            }
        }
        object["Backend"] = ["Type": "vxlan"]
        return .object(object)
    }

    /// Reads an address such as http://192.168.9.1:2379 or http://[fd09::1]:2379.
    private static func member(_ node: ConfigNode) throws(ConfigError) -> Member {
        let url = try node.string()
        let scheme = Array("http://".utf8)
        var bytes = Array(url.utf8)
        guard bytes.starts(with: scheme) else {
            throw node.fails("\"\(url)\": a private etcd has no certificates; try a copy with http:// addresses")
        }
        bytes.removeFirst(scheme.count)
        if bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
        let colon = bytes.lastIndex(of: UInt8(ascii: ":")) ?? bytes.endIndex
        let host = bytes[..<colon].filter { $0 != UInt8(ascii: "[") && $0 != UInt8(ascii: "]") }
        guard let address = IPAddress(String(decoding: Array(host), as: UTF8.self)), !address.isLoopback,
            !address.isUnspecified,
            let port = UInt16(String(decoding: Array(bytes[colon...].dropFirst()), as: UTF8.self)),
            port > 0
        else {
            throw node.fails(
                "\"\(url)\": private hosts have no names and share no loopback; try a copy with addresses such as "
                    + "http://192.168.9.1:2379"
            )
        }
        return Member(url: url, address: address, port: port)
    }
}

/// Hosts that find each other in a registry: the file names only where that is.
extension HostsPlan {
    /// The hosts of a network with a registry, on which its members are as long as there are enough of both.
    static func registered(_ node: ConfigNode, _ options: Options) throws(ConfigError) -> Parts {
        guard try node.string("type") == "etcd" else { throw node.fails("type must be \"etcd\"") }
        let known = try RegistryPlan(node, options.networks)
        var servers: [IPAddress] = []
        for member in known.members where !servers.contains(member.address) { servers.append(member.address) }
        let addresses = LinkAddresses.filled(servers, count: options.hosts)
        let others = servers.filter { !addresses.contains($0) }
        let prefixes = LinkAddresses.prefixes(addresses + others, besides: [])
        guard addresses.count == options.hosts, let prefixes else {
            throw node.fails("endpoints: no network holds all of these addresses and those of \(options.hosts) hosts")
        }
        var plan = known
        if options.networks.isEmpty {
            let candidates = ["10.5.0.0/16", "10.77.0.0/16", "172.30.0.0/16"].compactMap { Prefix($0) }
            let free = candidates.first { candidate in !prefixes.contains { $0.overlaps(candidate) } }
            plan = try RegistryPlan(node, free.map { [$0] } ?? [])
        }
        return Parts(
            hosts: prefixes.prefix(addresses.count).map { Host(addresses: [$0]) },
            servers: Array(prefixes.dropFirst(addresses.count)),
            registry: plan
        )
    }
}
