// SPDX-License-Identifier: Apache-2.0

import JSON
import Support
import Testing

/// What ipMasq does to packets of an overlay, and when its rules come and go.
@Suite("vxlan: ipMasq", .ownNetworkNamespace)
struct MasqueradeTests {
    enum Backend: String, CaseIterable, Sendable { case nftables, iptables }

    /// Somebody on the underlay who knows no way to containers.
    private static let outside = ["192.168.9.254", "fd09::254"]

    private let cluster: Cluster

    init() throws {
        cluster = try Cluster()
        try TestHost.run("ip link set lo up", in: cluster.wire)
        try TestHost.run("ip address add 192.168.9.254/24 dev br0", in: cluster.wire)
        try TestHost.run("ip address add fd09::254/64 dev br0 nodad", in: cluster.wire)
        for host in cluster.hosts {
            // Until the kernel has asked around for a bridge's link-local address it asks for no neighbour of others either.
            try host.run("sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0")
        }
    }

    private func network(
        _ backend: Backend = .nftables,
        _ changes: KeyValuePairs<String, JSON?> = [:]
    ) -> OverlayNetwork {
        OverlayNetwork.routed().with(["ipMasq": true, "ipMasqBackend": .string(backend.rawValue)]).with(changes)
    }

    private func rules(_ host: Int = 0) throws -> PacketFilter {
        try cluster.hosts[host].space.inside { try PacketFilter() }
    }

    private func expectNoRules(_ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let rules = try rules()
        #expect(rules.isEmpty, comment ?? "\(rules)", sourceLocation: sourceLocation)
    }

    /// What a server sees of a container; it is found from the first host if nothing else is said.
    private func seen(_ from: Int = 0, by server: ContainerNamespace, at address: String) throws -> String? {
        try Wire.source(from: cluster.containers[from], to: server, at: address)
    }

    private static let ways: [String: OverlayNetwork] = [
        "routed": .routed(), "direct": .routed(["directRouting": true]), "over IPv6": .routed(over: "fd09::"),
        "bridged": .bridged(["isDefaultGateway": true]),
    ]

    @Test(arguments: ways.keys.sorted(), Backend.allCases)
    func onlyOutsideTheHostsAddressIsSeen(way: String, backend: Backend) throws {
        let network = try #require(Self.ways[way]).with(["ipMasq": true, "ipMasqBackend": .string(backend.rawValue)])
        try cluster.attachAll(network)
        for (address, host) in zip(Self.outside, ["192.168.9.1", "fd09::1"]) {
            #expect(try seen(by: cluster.wire, at: address) == host)
        }
        let number = way == "bridged" ? 6 : 5
        let addresses = (1...2).map { host in
            number == 6
                ? ["10.6.\(host).2", "fd06::\(host):0:0:2"] : ["10.5.\(host).2", "fd05:0:0:\(host)::2"]
        }
        for (own, other) in zip(addresses[0], addresses[1]) {
            #expect(try seen(by: cluster.containers[1], at: other) == own, "to the container")
        }
        // Other hosts see the container as well, if they are asked for by their address in the network.
        if way == "bridged" { return }
        for (own, gateway) in zip(addresses[0], ["10.5.2.1", "fd05:0:0:2::1"]) {
            #expect(try seen(by: cluster.hosts[1].space, at: gateway) == own, "to the gateway")
        }
    }

    @Test(arguments: Backend.allCases) func whoLeavesByAnotherHostHasThatOnesAddress(backend: Backend) throws {
        try cluster.attachAll(network(backend))
        try cluster.hosts[1].run("ip route add 198.51.100.2 via 10.5.1.0 dev vxlan.1 onlink")
        try cluster.hosts[0].run("ip route add 198.51.100.2 via 192.168.9.254 dev eth0")
        try TestHost.run("ip address add 198.51.100.2/32 dev lo", in: cluster.wire)
        #expect(try seen(1, by: cluster.wire, at: "198.51.100.2") == "192.168.9.1")
        // What goes into the tunnel is as the container sent it.
        try cluster.hosts[0].call("DEL", network(backend), cluster.containers[0]).succeeded()
        try cluster.hosts[0].add(network(backend, ["ipMasq": false]), cluster.containers[0])
        try TestHost.run("ip route add 10.5.0.0/16 via 192.168.9.1", in: cluster.wire)
        #expect(try seen(1, by: cluster.wire, at: "198.51.100.2") == "10.5.2.2")
    }

    @Test func severalNetworksAreOne() throws {
        let peers: [JSON] = (1...3).map { number in
            ["publicIP": .string("192.168.9.\(number)"), "subnet": .string("10.\(number + 4).0.0/24")]
        }
        let network = network(.nftables, ["network": "10.5.0.0/16,10.6.0.0/16,10.7.0.0/16", "peers": .array(peers)])
        try cluster.attachAll(network)
        #expect(try seen(by: cluster.containers[1], at: "10.6.0.2") == "10.5.0.2")
        #expect(try seen(by: cluster.wire, at: "192.168.9.254") == "192.168.9.1")
    }

    @Test(arguments: Backend.allCases) func theRulesComeWithTheFirstAndGoWithTheLast(backend: Backend) throws {
        let (host, network) = (cluster.hosts[0], network(backend))
        try expectNoRules()
        try host.add(network, cluster.containers[0])
        let first = try rules()
        #expect(!first.isEmpty)
        let second = try ContainerNamespace()
        try host.add(network, second, id: "c2")
        #expect(try rules() == first)
        try host.call("DEL", network, cluster.containers[0]).succeeded()
        #expect(try rules() == first)
        // Neither the configuration nor the namespace is needed.
        try host.call("DEL", .routed(), nil, id: "c2").succeeded()
        try expectNoRules()
        try host.call("DEL", network, second, id: "c2").succeeded()
    }

    @Test(arguments: Backend.allCases) func afterAFailureThereAreNone(backend: Backend) throws {
        let (host, network) = (cluster.hosts[0], network(backend))
        var steps = 0
        for step in 1...40 {
            let answer = try host.call(
                "ADD",
                network,
                cluster.containers[0],
                ["CNI_FAIL_AFTER_STEP": "\(step)"]
            )
            if answer.isSuccess { break }
            steps = step
            try expectNoRules("step \(step)")
        }
        #expect(steps > 6)
        // Whom another one's failure must not cost the rules.
        let before = try rules()
        #expect(!before.isEmpty)
        for step in 1...steps {
            let failing = ["CNI_FAIL_AFTER_STEP": "\(step)"]
            let answer = try host.call("ADD", network, ContainerNamespace(), id: "c9", failing)
            if answer.isSuccess { break }
            #expect(try rules() == before, "step \(step)")
        }
    }

    @Test(arguments: Backend.allCases) func whatACrashLeftIsGarbage(backend: Backend) throws {
        let (host, network) = (cluster.hosts[0], network(backend))
        let other = try ContainerNamespace()
        try host.add(network, cluster.containers[0])
        try host.add(network, other, id: "c2")
        let before = try rules()
        // The interface went with the container, and nobody sent DEL.
        try TestHost.run("ip link delete eth0", in: other)
        let kept: JSON = [["containerID": "c1", "ifname": "eth0"]]
        try host.call("GC", network.with(["cni.dev/valid-attachments": kept])).succeeded()
        #expect(try rules() == before)
        try TestHost.run("ip link delete eth0", in: cluster.containers[0])
        try host.call("GC", network.with(["cni.dev/valid-attachments": []])).succeeded()
        try expectNoRules()
        #expect(try host.leases() == [])
    }

    private static let damages: [Backend: [String]] = [
        .nftables: [
            "nft delete table TABLE", "nft flush chain TABLE postrouting",
            "nft flush chain TABLE postrouting; add rule TABLE postrouting accept; add rule TABLE postrouting accept",
        ],
        .iptables: [
            "iptables -t nat -D POSTROUTING 1", "ip6tables -t nat -F POSTROUTING", "iptables -t nat -D CHAIN 1",
            "ip6tables -t nat -R CHAIN 2 -j MASQUERADE",
        ],
    ]

    @Test(arguments: Backend.allCases) func whatIsMissingIsFoundAndMadeAgain(backend: Backend) throws {
        let host = cluster.hosts[0]
        let network = network(backend)
        let attached = network.with(["prevResult": try host.add(network, cluster.containers[0])])
        let before = try rules()
        let words = before.description.split(whereSeparator: { " \n".contains($0) }).map { String($0) }
        let table = words.first { $0.hasPrefix("swift_cni_overlay_") } ?? "none"
        let chain = words.first { $0.hasPrefix("CNI-") || $0.hasPrefix(":CNI-") } ?? "none"
        for damage in Self.damages[backend] ?? [] {
            try host.call("CHECK", attached, cluster.containers[0]).succeeded()
            let line = damage.replacing("TABLE", with: "inet \(table)")
            try host.run(line.replacing("CHAIN", with: chain.drop { $0 == ":" }))
            try host.call("CHECK", attached, cluster.containers[0]).failed(105, "masquerade")
            let isUnnoticed = damage.contains("accept")
            if isUnnoticed {
                // As many rules, but others: only a look at each of them shows it.
                try host.run("nft delete table inet \(table)")
            }
            #expect(try host.reconcile(network) == "vxlan.1: 1 changes\n", "\(damage)")
            #expect(try rules() == before, "\(damage)")
        }
    }

    @Test func anotherConfigurationIsFollowed() throws {
        let host = cluster.hosts[0]
        try host.add(network(), cluster.containers[0])
        let nftables = try rules()
        try host.add(network(.iptables), ContainerNamespace(), id: "c2")
        let moved = try rules()
        #expect(moved.nftables.isEmpty && !moved.iptables.isEmpty)
        try host.add(
            network(.iptables, ["network": "10.5.0.0/16,fd05::/48,10.99.0.0/16"]),
            ContainerNamespace(),
            id: "c3"
        )
        #expect(try rules().contains("10.99.0.0/16"))
        try host.add(network(), ContainerNamespace(), id: "c4")
        #expect(try rules() == nftables)
        try host.add(
            network(.nftables, ["network": "10.5.0.0/16,fd05::/48,10.99.0.0/16"]),
            ContainerNamespace(),
            id: "c5"
        )
        #expect(try rules().contains("10.99.0.0/16"))
        try host.add(network(.nftables, ["ipMasq": false]), ContainerNamespace(), id: "c6")
        try expectNoRules()
    }

    @Test func aStatusMakesNoRulesAndSaysWhatIsMissing() throws {
        let host = cluster.hosts[0]
        for backend in Backend.allCases { try host.call("STATUS", network(backend)).succeeded() }
        try expectNoRules()
        let directory = try TemporaryDirectory()
        try directory.write("", to: "libnftables.so.1")
        try host.call("STATUS", network(), nil, ["LD_LIBRARY_PATH": directory.path]).failed(50, "libnftables1")
        try host.call("ADD", network(), cluster.containers[0], ["LD_LIBRARY_PATH": directory.path]).failed(
            104,
            "libnftables1"
        )
        try host.call("STATUS", .routed(["ipMasq": true, "ipMasqBackend": "ebtables"])).failed(7, "ipMasqBackend")
        let nowhere = OverlayNetwork.bridged().with(["ipMasq": true, "network": nil])
        try host.call("STATUS", nowhere).failed(7, "ipMasq: needs network")
    }
}
