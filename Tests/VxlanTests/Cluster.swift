// SPDX-License-Identifier: Apache-2.0

import JSON
import Linux
import Support
import Testing

/// Three hosts on one underlay, each with the addresses 192.168.9.N and fd09::N, and a container on each.
final class Cluster: Sendable {
    let wire: ContainerNamespace
    let hosts: [TestHost]
    let containers: [ContainerNamespace]

    init(mtu: Int = 1500) throws {
        let wire = try ContainerNamespace(named: "underlay")
        try TestHost.run("ip link add br0 mtu \(mtu) type bridge mcast_snooping 0", in: wire)
        try TestHost.run("ip link set br0 up", in: wire)
        let hosts = try (1...3).map { try TestHost($0) }
        for host in hosts {
            let port = "p\(host.number)"
            let link = "ip link add \(port) mtu \(mtu) master br0 type veth peer name eth0 mtu \(mtu) netns"
            try TestHost.run("\(link) \(host.space.path)", in: wire)
            try TestHost.run("ip link set \(port) up", in: wire)
            try host.run("ip link set lo up")
            try host.run("ip link set eth0 addrgenmode none up")
            try host.run("ip address add 192.168.9.\(host.number)/24 dev eth0")
            try host.run("ip address add fd09::\(host.number)/64 dev eth0 nodad")
        }
        (self.wire, self.hosts) = (wire, hosts)
        containers = try hosts.map { try ContainerNamespace(named: "container\($0.number)") }
    }

    /// Attaches the container of each host.
    func attachAll(_ network: OverlayNetwork) throws {
        for (host, container) in zip(hosts, containers) { try host.add(network, container) }
    }

    /// Makes a host another one's address.
    func move(_ host: TestHost, to number: Int) throws {
        try host.run("ip address delete 192.168.9.\(host.number)/24 dev eth0")
        try host.run("ip address add 192.168.9.\(number)/24 dev eth0")
    }
}

/// The configuration of an overlay, one file for all hosts.
struct OverlayNetwork: Sendable {
    private var object: JSONObject

    /// A network with subnets of both families for each of three hosts.
    static func routed(over underlay: String = "192.168.9.", _ changes: KeyValuePairs<String, JSON?> = [:]) -> Self {
        OverlayNetwork(
            [
                "network": "10.5.0.0/16,fd05::/48",
                "peers": .array((1...3).map { peer($0, over: underlay) }),
            ],
            changes
        )
    }

    /// A stretched link of three hosts, each with a part of the addresses.
    static func bridged(over underlay: String = "192.168.9.", _ changes: KeyValuePairs<String, JSON?> = [:]) -> Self {
        let peers: [JSON] = (1...3).map { number in
            let subnets = "10.6.\(number).0/24,fd06:0:0:0:\(number)::/80"
            return ["publicIP": .string("\(underlay)\(number)"), "subnet": .string(subnets)]
        }
        return OverlayNetwork(
            ["mode": "bridged", "vni": 42, "network": "10.6.0.0/16,fd06::/64", "peers": .array(peers)],
            changes
        )
    }

    /// The network of a file that operators install, with the one plugin of its list.
    static func installed(_ name: String) throws -> Self {
        let file = try JSON.parse(FileDescriptor.open("\(Golden.directory)/../conf/\(name)").readAll())
        return try OverlayNetwork(#require(file["plugins"]?.list.first), ["name": file["name"]])
    }

    /// A host in the list of hosts.
    static func peer(_ number: Int, at address: Int? = nil, over underlay: String = "192.168.9.") -> JSON {
        [
            "publicIP": .string("\(underlay)\(address ?? number)"),
            "subnet": .string("10.5.\(number).0/24,fd05:0:0:\(number)::/64"),
        ]
    }

    private init(_ members: JSON, _ changes: KeyValuePairs<String, JSON?>) {
        object = JSONObject([
            .init("cniVersion", "1.1.0"), .init("name", "overlay"), .init("type", "vxlan"),
        ])
        if case .object(let members) = members { for member in members.members { object[member.key] = member.value } }
        for (key, value) in changes { object[key] = value }
    }

    /// This network with members added or replaced; nil takes one away.
    func with(_ changes: KeyValuePairs<String, JSON?>) -> OverlayNetwork {
        var network = self
        for (key, value) in changes { network.object[key] = value }
        return network
    }

    /// The configuration as a host reads it: only the address store is another one, because the hosts share their files.
    func members(on host: TestHost) -> JSONObject {
        var members = object
        if members["ipam"] == nil { members["ipam"] = ["type": "host-local"] }
        if case .object(var ipam)? = members["ipam"] {
            ipam["dataDir"] = .string(host.dataDir)
            members["ipam"] = .object(ipam)
        }
        return members
    }
}
