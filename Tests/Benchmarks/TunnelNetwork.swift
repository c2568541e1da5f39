// SPDX-License-Identifier: Apache-2.0

import Foundation
import Linux

/// Two hosts on one wire with a tunnel between them, and a container on each.
final class TunnelNetwork {
    /// How the hosts share the network.
    enum Shape: String, CaseIterable {
        /// Each host has a subnet of its own.
        case routed

        /// Both hosts are on one link.
        case bridged
    }

    /// The namespaces of the containers.
    let containers: [String]

    /// The addresses of the containers.
    let addresses: [String]

    private let shape: Shape
    private let hosts: [String]
    private let names: [String]
    private static let vteps = ["02:00:00:00:09:01", "02:00:00:00:09:02"]

    /// Makes the hosts with their interfaces eth0 on the wire, and a container on each that nobody has attached yet.
    private init(_ shape: Shape, _ label: String, _ namespaces: Namespaces) throws {
        self.shape = shape
        names = ["h1", "h2", "c1", "c2"].map { "\(label)-\($0)" }
        let paths = try names.map(namespaces.host)
        (hosts, containers) = (Array(paths[..<2]), Array(paths[2...]))
        addresses = shape == .routed ? ["10.5.1.2", "10.5.2.2"] : ["10.6.1.2", "10.6.2.2"]
        try Self.type("ip", on: names[0], ["link add eth0 type veth peer name eth0 netns \(names[1])"])
        for (index, name) in names[..<2].enumerated() {
            try Self.type("ip", on: name, ["link set eth0 up", "address add 192.168.9.\(index + 1)/24 dev eth0"])
        }
    }

    deinit { for name in names { try? Call.tool(["ip", "netns", "delete", name], output: nil) } }

    /// Lets the plugin make it.
    static func made(_ shape: Shape, by suite: Suite, _ namespaces: Namespaces) throws -> TunnelNetwork {
        let network = try TunnelNetwork(shape, "ours-\(shape.rawValue)", namespaces)
        for (index, host) in network.hosts.enumerated() {
            let part = { (number: Int) in "10.\(shape == .routed ? 5 : 6).\(number).0/24" }
            let file = try Suite.write(
                "tunnel\(index)",
                [
                    "cniVersion": "1.0.0", "name": "tunnel", "type": "vxlan", "mode": shape.rawValue,
                    "network": shape == .routed ? "10.5.0.0/16" : "10.6.0.0/16",
                    "peers": (1...2).map { number in
                        ["publicIP": "192.168.9.\(number)", "subnet": part(number), "vtepMAC": vteps[number - 1]]
                    },
                    "ipam": ["type": "host-local", "dataDir": "\(Isolation.scratch)/\(network.names[index])"],
                ]
            )
            let container = Container(network: "tunnel", number: index, namespace: network.containers[index])
            try inNamespace(host) { () throws(Failure) in
                try Failure.keep { _ = try suite.call("vxlan", "ADD", for: container, input: file).run() }
            }
            try? FileManager.default.removeItem(atPath: "\(Isolation.scratch)/\(network.names[index])")
        }
        return network
    }

    /// Makes it as a person does with ip and bridge.
    static func madeByHand(_ shape: Shape, _ namespaces: Namespaces) throws -> TunnelNetwork {
        let network = try TunnelNetwork(shape, "hand-\(shape.rawValue)", namespaces)
        for index in 0..<2 { try network.type(index) }
        return network
    }

    private func type(_ index: Int) throws {
        let (own, other, isRouted) = (index + 1, 2 - index, shape == .routed)
        let (subnet, length) = isRouted ? ("10.5.\(own)", 24) : ("10.6.\(own)", 16)
        let learning = isRouted ? "nolearning" : "learning"
        let inner = "mtu 1450 address 02:00:00:00:0\(own)"
        try inNamespace(hosts[index]) { () throws(Failure) in
            try Failure.attempt("switch forwarding on") { () throws(Errno) in
                try Sysctl.write("net/ipv4/ip_forward", "1")
            }
        }
        var lines = [
            "link add br0 \(inner):01 type bridge", "link set br0 up", "address add \(subnet).1/\(length) dev br0",
            "link add tunnel mtu 1450 address \(Self.vteps[index]) type vxlan id 1 dstport 8472 dev eth0 "
                + "local 192.168.9.\(own) \(learning)",
            "link add pod \(inner):02 type veth peer name eth0 \(inner):03 netns \(names[index + 2])",
            "link set pod master br0 up", "link set tunnel up",
        ]
        if isRouted {
            lines += [
                "address add \(subnet).0/32 dev tunnel",
                "neighbour add 10.5.\(other).0 lladdr \(Self.vteps[2 - own]) dev tunnel nud permanent",
                "route add 10.5.\(other).0/24 via 10.5.\(other).0 dev tunnel onlink",
            ]
        } else {
            lines.append("link set tunnel master br0")
        }
        try Self.type("ip", on: names[index], lines)
        let mac = isRouted ? Self.vteps[2 - own] : "00:00:00:00:00:00"
        try Self.type(
            "bridge",
            on: names[index],
            ["fdb append \(mac) dev tunnel dst 192.168.9.\(other) self permanent"]
        )
        let inside = ["link set eth0 up", "address add \(addresses[index])/\(length) dev eth0"]
        try Self.type("ip", on: names[index + 2], inside + (isRouted ? ["route add default via \(subnet).1"] : []))
    }

    /// Gives lines to a tool in a named namespace.
    private static func type(_ tool: String, on name: String, _ lines: [String]) throws {
        let file = "\(Isolation.scratch)/lines"
        try Data(lines.map { $0 + "\n" }.joined().utf8).write(to: URL(fileURLWithPath: file))
        try Call.tool([tool, "-n", name, "-batch", file], output: nil)
    }
}
