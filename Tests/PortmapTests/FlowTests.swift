// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// Flows of UDP that began before a port was published, or go on after it was withdrawn.
@Suite("Flows", .ownNetworkNamespace)
struct FlowTests {
    /// Who answers a client: a server on the host, or one in a container.
    private struct Servers {
        let client: InternetSocket
        let target: String
        let all: [(name: String, socket: InternetSocket)]

        func reached() -> String {
            client.send("hello", to: target, port: 5300)
            var name = "nobody"
            _ = eventually {
                name = all.first { $0.socket.receive(milliseconds: 0) != nil }?.name ?? name
                return name != "nobody"
            }
            return name
        }
    }

    private func servers(_ topology: Topology, isV6: Bool, from path: Topology.Path) throws -> Servers {
        let target = path == .loopback ? "127.0.0.1" : Topology.addresses[isV6 ? 1 : 0]
        let containers = try [0, 1].map { number in
            let address = Topology.address(of: number, isV6: isV6)
            return (
                name: "c\(number + 1)",
                socket: try topology.containers[number].inside { try InternetSocket(.datagram, at: address, port: 53) }
            )
        }
        let host = try InternetSocket(.datagram, at: target, port: 5300)
        let open = { try InternetSocket(.datagram, at: isV6 ? "::" : "0.0.0.0") }
        let client = path == .outside ? try topology.outside.inside(open) : try open()
        return Servers(client: client, target: target, all: [("host", host)] + containers)
    }

    @Test(arguments: Backend.allCases, [(false, "outside"), (true, "outside"), (false, "loopback"), (true, "host")])
    func theyGoWhereThePortLeadsNow(backend: Backend, from: (isV6: Bool, path: String)) throws {
        let topology = try Topology()
        let path = try #require(Topology.Path(rawValue: from.path))
        for hostIP in [nil, path == .loopback ? "127.0.0.1" : Topology.addresses[from.isV6 ? 1 : 0]] {
            let servers = try servers(topology, isV6: from.isV6, from: path)
            let first = topology.publication(backend, of: 0, [Mapping(5300, 53, "udp", on: hostIP)])
            let second = topology.publication(backend, of: 1, [Mapping(5300, 53, "udp", on: hostIP)])
            // An untranslated flow answers differently from one that is to be masqueraded, so it must be remembered as one.
            try Programs.run("nft", "add table inet t; add chain inet t c { type nat hook output priority 0; }")
            #expect(servers.reached() == "host")
            try first.call("ADD")
            #expect(servers.reached() == "c1", "after ADD, \(hostIP ?? "all addresses")")
            try first.call("DEL")
            #expect(servers.reached() == "host", "after DEL, \(hostIP ?? "all addresses")")
            try second.call("ADD")
            #expect(servers.reached() == "c2", "after ADD of another, \(hostIP ?? "all addresses")")
            try second.call("DEL")
            #expect(servers.reached() == "host", "after its DEL, \(hostIP ?? "all addresses")")
            try Programs.run("nft", "delete table inet t")
        }
    }

    @Test(arguments: Backend.allCases) func flowsToOtherPortsGoOn(backend: Backend) throws {
        let topology = try Topology()
        let servers = try servers(topology, isV6: false, from: .outside)
        try topology.publication(backend, of: 0, [Mapping(5300, 53, "udp")]).call("ADD")
        #expect(servers.reached() == "c1")
        let before = try number(ofFlowTo: 5300)
        let other = topology.publication(backend, of: 1, [Mapping(5302, 53, "udp"), Mapping(5300, 53, "sctp")])
        try other.call("ADD")
        try other.call("DEL")
        #expect(try number(ofFlowTo: 5300) == before)
        #expect(servers.reached() == "c1")
    }

    /// The kernel's number of the only flow to a port.
    private func number(ofFlowTo port: Int) throws -> Substring {
        let flows = try Programs.run("conntrack", "-L", "-p", "udp", "--dport", "\(port)", "-o", "id")
        try #require(flows.split(separator: "\n").count == 1)
        return try #require(flows.split(separator: " ").first { $0.hasPrefix("id=") })
    }
}
