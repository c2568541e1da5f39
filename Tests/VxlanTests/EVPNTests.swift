// SPDX-License-Identifier: Apache-2.0

import Glibc
import JSON
import Support
import Testing

/// Hosts on one stretched link that FRR tells of each other, with the network and the configuration that operators install.
@Suite(
    "vxlan: EVPN",
    .ownNetworkNamespace,
    .enabled(if: RoutingDaemons.missing == nil, "needs Debian's frr: \(RoutingDaemons.missing ?? "") is missing")
)
struct EVPNTests {
    private let cluster: Cluster
    private let network: OverlayNetwork

    init() throws {
        cluster = try Cluster()
        network = try .installed("22-vxlan-evpn.conflist")
    }

    private static let allIsRight = "vxlan.42: all is as it is to be\n"

    /// Starts FRR on the first hosts, attaches a container on each, and waits until all of them are known.
    private func start(_ count: Int, _ network: OverlayNetwork? = nil) throws -> [RoutingDaemons] {
        let daemons = try cluster.hosts.prefix(count).map { try RoutingDaemons(on: $0) }
        for (host, container) in zip(cluster.hosts, cluster.containers).prefix(count) {
            try host.add(network ?? self.network, container)
        }
        try expectConverged(0..<count)
        return daemons
    }

    private func mac(_ container: Int) throws -> String {
        let words = try TestHost.run("ip -o link show eth0", in: cluster.containers[container]).split(separator: " ")
        return String(words[try #require(words.firstIndex(of: "link/ether")) + 1])
    }

    /// What a host has of the others: on the tunnel, on the bridge, and as neighbours.
    private func entries(_ host: Int) throws -> [String] {
        let tunnel = try cluster.hosts[host].run("bridge fdb show dev vxlan.42").split(separator: "\n")
            .filter { $0.contains("dst") || $0.contains("extern_learn") }
        let neighbours = try cluster.hosts[host].run("ip neigh show dev cni-vx42").split(separator: "\n")
            .filter { $0.contains("extern_learn") && !$0.hasPrefix("fe80:") }
        return (tunnel + neighbours).map { $0.trimmed }.sorted()
    }

    /// What a host should have of others.
    private func expected(_ others: some Sequence<Int>) throws -> [String] {
        try others.flatMap { other in
            let (host, mac) = ("192.168.9.\(other + 1)", try mac(other))
            let text = try TestHost.run("ip -o address show eth0 scope global", in: cluster.containers[other])
            let addresses = text.split(separator: "\n").map { $0.split(separator: " ")[3].split(separator: "/")[0] }
            return [
                "00:00:00:00:00:00 dst \(host) self permanent", "\(mac) dst \(host) self extern_learn",
                "\(mac) extern_learn master cni-vx42",
            ] + addresses.map { "\($0) lladdr \(mac) extern_learn NOARP proto zebra" }
        }.sorted()
    }

    private func expectConverged(
        _ hosts: some Collection<Int>,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        for host in hosts {
            let wanted = try expected(hosts.filter { $0 != host })
            let isThere = try eventually(60) { try entries(host) == wanted }
            let present = try entries(host).joined(separator: "\n")
            let difference = UnifiedDiff(wanted.joined(separator: "\n"), present).description
            #expect(isThere, "host \(host + 1): \(difference)", sourceLocation: sourceLocation)
        }
    }

    private func connect(_ from: Int, _ to: Int, over address: String? = nil) throws -> Conversation? {
        let address = address ?? "10.6.\(to + 1).2"
        return try Conversation(from: cluster.containers[from], to: address, in: cluster.containers[to])
    }

    private func expectAllReachable(_ hosts: Range<Int>, sourceLocation: SourceLocation = #_sourceLocation) throws {
        for from in hosts {
            for to in hosts where to != from {
                for address in ["10.6.\(to + 1).2", "fd00:10:6:0:\(to + 1)::2"] {
                    let conversation = try connect(from, to, over: address)
                    #expect(conversation?.goesOn() == true, "\(from) to \(address)", sourceLocation: sourceLocation)
                }
            }
        }
    }

    @Test(arguments: [(2, false), (3, false), (3, true)])
    func containersOfAllHostsTalk(count: Int, isGateway: Bool) throws {
        let daemons = try start(count, network.with(["isDefaultGateway": .bool(isGateway)]))
        try expectAllReachable(0..<count)
        for address in ["10.6.2.2", "fd00:10:6:0:2::2"] {
            try TestHost.run("ping -n -c 1 -w 15 \(address)", in: cluster.containers[0])
            let (from, to) = (cluster.containers[0], cluster.containers[1])
            #expect(try Datagram.send(1450, from: from, to: address, in: to) == .arrived)
            #expect(try Datagram.send(1451, from: from, to: address, in: to) == .refused)
        }
        let routes = try daemons[0].type("-c", "show bgp l2vpn evpn route type multicast")
        for number in 1...count { #expect(routes.contains("[3]:[0]:[32]:[192.168.9.\(number)]"), "\(routes)") }
    }

    @Test func thePluginLeavesTheEntriesOfOthersAlone() throws {
        let daemons = try start(2)
        let (host, second) = (cluster.hosts[0], try ContainerNamespace())
        let before = try entries(0)
        #expect(try host.reconcile(network) == Self.allIsRight)
        let result = try host.add(network, second, id: "c2")
        try host.call("CHECK", network.with(["prevResult": result]), second, id: "c2").succeeded()
        try host.call("STATUS", network).succeeded()
        #expect(try entries(0) == before)
        try host.call("DEL", network, second, id: "c2").succeeded()
        try host.add(network, second, id: "c3")
        let kept: JSON = [["containerID": "c1", "ifname": "eth0"]]
        try host.call("GC", network.with(["cni.dev/valid-attachments": kept])).succeeded()
        #expect(try entries(0) == before)
        try expectConverged(0..<2)
        // The last one takes the tunnel along, which the others learn, and the next one brings it back.
        let removing = network.with(["teardown": "auto"])
        try host.call("DEL", removing, cluster.containers[0]).succeeded()
        #expect(try host.run("ip -o link show type vxlan") == "")
        #expect(try eventually { try entries(1).isEmpty })
        try host.add(removing, cluster.containers[0])
        try expectConverged(0..<2)
        withExtendedLifetime(daemons) {}
    }

    @Test func aContainerThatGoesIsForgottenByAll() throws {
        let daemons = try start(3)
        try cluster.hosts[1].call("DEL", network, cluster.containers[1]).succeeded()
        for host in [0, 2] {
            let other = try expected([host == 0 ? 2 : 0])
            let wanted = (other + ["00:00:00:00:00:00 dst 192.168.9.2 self permanent"]).sorted()
            #expect(try eventually { try entries(host) == wanted })
        }
        // Its addresses go to the next one.
        let ranges: [JSON] = [("10.6.0.0/16", "10.6.2.2"), ("fd00:10:6::/64", "fd00:10:6:0:2::2")].map { subnet, only in
            [["subnet": .string(subnet), "rangeStart": .string(only), "rangeEnd": .string(only)]]
        }
        let next = network.with(["ipam": ["type": "host-local", "ranges": .array(ranges)]])
        try cluster.hosts[1].add(next, cluster.containers[1])
        try expectConverged(0..<3)
        try expectAllReachable(0..<3)
        withExtendedLifetime(daemons) {}
    }

    @Test func theBridgeAnswersForContainersOfOtherHosts() throws {
        let daemons = try start(2)
        // Whoever asks it gets no answer any more.
        try TestHost.run("sysctl -qw net.ipv4.conf.eth0.arp_ignore=8", in: cluster.containers[1])
        try TestHost.run("nft add table ip6 mute", in: cluster.containers[1])
        try TestHost.run(
            "nft add chain ip6 mute input { type filter hook input priority 0 ; }",
            in: cluster.containers[1]
        )
        try TestHost.run("nft add rule ip6 mute input icmpv6 type nd-neighbor-solicit drop", in: cluster.containers[1])
        try TestHost.run("ip neigh flush dev eth0", in: cluster.containers[0])
        for address in ["10.6.2.2", "fd00:10:6:0:2::2"] {
            #expect(try connect(0, 1, over: address)?.goesOn() == true, "\(address)")
        }
        withExtendedLifetime(daemons) {}
    }

    @Test(arguments: [["bgpd"], ["zebra", "bgpd"], ["zebra"]])
    func withoutBGPOneHostIsAloneAndTheOthersNeverNotice(killed: [String]) throws {
        let daemons = try start(3)
        let among = try #require(try connect(0, 2))
        let cut = try #require(try connect(0, 1))
        #expect(among.goesOn() && cut.goesOn())
        daemons[1].end(SIGKILL, killed)
        if killed.contains("bgpd") {
            for host in [0, 2] {
                let others = try expected([host == 0 ? 2 : 0])
                #expect(try eventually { try entries(host) == others })
            }
            #expect(try connect(0, 1) == nil)
        } else {
            #expect(cut.goesOn())
        }
        // What the host had itself is zebra's to remove, and stays in the kernel without it.
        let own = try killed == ["bgpd"] ? [] : expected([0, 2])
        #expect(try eventually { try entries(1) == own })
        #expect(among.goesOn())
        try daemons[1].start()
        try expectConverged(0..<3)
        #expect(cut.goesOn())
        #expect(among.goesOn())
        try expectAllReachable(0..<3)
    }

    @Test func whatBecameOutdatedWithoutFRRGoesWithTheTunnel() throws {
        let daemons = try start(3)
        daemons[0].end(SIGKILL, ["zebra", "bgpd"])
        daemons[2].end(SIGTERM)
        #expect(try entries(2).isEmpty)
        try daemons[0].start()
        let host = cluster.hosts[0]
        #expect(try eventually { try daemons[1].type("-c", "show evpn mac vni 42").contains(mac(0)) })
        #expect(try entries(0) == expected([1, 2]))
        try host.run("ip link delete vxlan.42")
        // Until FRR has noticed, it puts back what is taken away.
        let flush = PluginProcess(
            try #require(Programs.path("ip")),
            arguments: ["neigh", "flush", "dev", "cni-vx42", "nud", "noarp"]
        )
        #expect(try eventually { try flush.run(in: host.space.namespace).exitCode == 0 })
        try host.reconcile(network)
        try expectConverged(0..<2)
        #expect(try connect(0, 1)?.goesOn() == true)
    }

    @Test func hostsComeAndGo() throws {
        var daemons = try start(2)
        let established = try #require(try connect(0, 1))
        daemons.append(try RoutingDaemons(on: cluster.hosts[2]))
        try cluster.hosts[2].add(network, cluster.containers[2])
        try expectConverged(0..<3)
        try expectAllReachable(0..<3)
        daemons[2].end(SIGTERM)
        try expectConverged(0..<2)
        #expect(try entries(2).isEmpty)
        #expect(established.goesOn())
        try daemons[2].start()
        try expectConverged(0..<3)
        // Its cable is pulled: nobody says goodbye.
        try cluster.hosts[2].run("ip link set eth0 down")
        try expectConverged(0..<2)
        #expect(established.goesOn())
        try cluster.hosts[2].run("ip link set eth0 up")
        try expectConverged(0..<3)
        try expectAllReachable(0..<3)
    }
}
