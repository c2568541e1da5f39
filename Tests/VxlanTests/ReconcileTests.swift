// SPDX-License-Identifier: Apache-2.0

import Foundation
import JSON
import Support
import Testing

/// What changes when hosts come, go and move, and what does not.
@Suite("vxlan: reconcile", .ownNetworkNamespace)
struct ReconcileTests {
    private let cluster: Cluster
    private let allIsRight = "vxlan.1: all is as it is to be\n"

    init() throws { cluster = try Cluster() }

    private func reaches(_ from: Int, _ to: Int) throws -> Bool {
        let address = "10.5.\(to + 1).2"
        return try Conversation(from: cluster.containers[from], to: address, in: cluster.containers[to])?.goesOn()
            ?? false
    }

    private func network(_ peers: JSON..., more: KeyValuePairs<String, JSON?> = [:]) -> OverlayNetwork {
        .routed(["peers": .array(peers)]).with(more)
    }

    @Test func whatIsRightIsNotTouched() throws {
        try cluster.attachAll(.routed())
        let host = cluster.hosts[0]
        #expect(try host.reconcile(.routed()) == allIsRight)
        let second = try ContainerNamespace()
        let process = host.process("ADD", .routed(), second, id: "c2", ["CNI_TRACE": "stderr"])
        let outcome = try process.run(in: host.space.namespace)
        let trace = outcome.stderrText
        #expect(outcome.exitCode == 0 && trace.contains("list the forwarding entries"))
        for touched in ["vxlan.1: done", "set the ", "delete the "] { #expect(!trace.contains(touched), "\(trace)") }
    }

    @Test func aHostThatMovesIsReachedAgainAndTheOthersNeverNotice() throws {
        try cluster.attachAll(.routed())
        let established = try #require(
            try Conversation(from: cluster.containers[0], to: "10.5.3.2", in: cluster.containers[2])
        )
        #expect(established.goesOn())
        let before = try cluster.hosts[0].run("ip -o link show vxlan.1")
        try cluster.move(cluster.hosts[1], to: 22)
        let moved = network(OverlayNetwork.peer(1), OverlayNetwork.peer(2, at: 22), OverlayNetwork.peer(3))
        #expect(try !reaches(0, 1))
        #expect(established.goesOn())
        for host in cluster.hosts { #expect(try host.reconcile(moved) != allIsRight) }
        #expect(established.goesOn())
        for (from, to) in [(0, 1), (1, 0), (2, 1), (1, 2)] { #expect(try reaches(from, to), "\(from) to \(to)") }
        #expect(try cluster.hosts[0].run("ip -o link show vxlan.1") == before)
        let forwarding = try cluster.hosts[0].run("bridge fdb show dev vxlan.1")
        #expect(forwarding.contains("192.168.9.22") && !forwarding.contains("192.168.9.2 "))
        for host in cluster.hosts { #expect(try host.reconcile(moved) == allIsRight) }
    }

    @Test func theNextAddCorrectsAsWell() throws {
        try cluster.attachAll(.routed())
        try cluster.move(cluster.hosts[1], to: 22)
        let moved = network(OverlayNetwork.peer(1), OverlayNetwork.peer(2, at: 22), OverlayNetwork.peer(3))
        for host in cluster.hosts { try host.add(moved, ContainerNamespace(), id: "c2") }
        for (from, to) in [(0, 1), (1, 2)] { #expect(try reaches(from, to), "\(from) to \(to)") }
    }

    @Test func hostsComeAndGo() throws {
        let two = network(OverlayNetwork.peer(1), OverlayNetwork.peer(2))
        for number in 0..<2 { try cluster.hosts[number].add(two, cluster.containers[number]) }
        let established = try #require(
            try Conversation(from: cluster.containers[0], to: "10.5.2.2", in: cluster.containers[1])
        )
        try cluster.hosts[2].add(.routed(), cluster.containers[2])
        for host in cluster.hosts.prefix(2) { #expect(try host.reconcile(.routed()) == "vxlan.1: 5 changes\n") }
        for (from, to) in [(0, 2), (2, 1)] { #expect(try reaches(from, to)) }
        for host in cluster.hosts.prefix(2) { #expect(try host.reconcile(two) == "vxlan.1: 5 changes\n") }
        #expect(try !reaches(0, 2))
        #expect(established.goesOn())
        let host = cluster.hosts[0]
        for line in ["ip route", "ip -6 route", "ip neigh show nud permanent", "bridge fdb show dev vxlan.1"] {
            let shown = try host.run(line)
            for sign in ["10.5.3.", "fd05:0:0:3:", "192.168.9.3 "] {
                #expect(!shown.contains(sign), "\(line): \(shown)")
            }
        }
    }

    @Test func aSubnetThatChangesHandsFollows() throws {
        try cluster.attachAll(.routed())
        try cluster.hosts[1].call("DEL", .routed(), cluster.containers[1]).succeeded()
        try cluster.hosts[2].call("DEL", .routed(), cluster.containers[2]).succeeded()
        func peer(_ number: Int, has subnet: Int) -> JSON {
            [
                "publicIP": .string("192.168.9.\(number)"),
                "subnet": .string("10.5.\(subnet).0/24,fd05:0:0:\(subnet)::/64"),
            ]
        }
        let swapped = network(OverlayNetwork.peer(1), peer(2, has: 3), peer(3, has: 2))
        for number in [1, 2] { try cluster.hosts[number].add(swapped, cluster.containers[number]) }
        try cluster.hosts[0].reconcile(swapped)
        for (address, to) in [("10.5.3.2", 1), ("10.5.2.2", 2), ("fd05:0:0:3::2", 1), ("fd05:0:0:2::2", 2)] {
            let conversation = try Conversation(from: cluster.containers[0], to: address, in: cluster.containers[to])
            #expect(conversation?.goesOn() == true, "\(address)")
        }
        #expect(try !cluster.hosts[1].run("ip address show cni-vx1").contains("10.5.2.1"))
    }

    @Test func aDirectoryOfHostsWorksTheSame() throws {
        let directory = try TemporaryDirectory()
        func write(_ number: Int, at address: Int? = nil) throws {
            let text = String(decoding: OverlayNetwork.peer(number, at: address).serialize(), as: UTF8.self)
            try directory.write(text, to: "host\(number).json")
        }
        for number in [1, 2] { try write(number) }
        try directory.write("for people", to: "README")
        try directory.write("{", to: ".host3.json.tmp")
        let network = OverlayNetwork.routed(["peers": nil, "peersDir": .string(directory.path)])
        for number in 0..<2 { try cluster.hosts[number].add(network, cluster.containers[number]) }
        #expect(try reaches(0, 1))
        try write(3)
        try cluster.hosts[2].add(network, cluster.containers[2])
        try cluster.hosts[0].reconcile(network)
        #expect(try reaches(0, 2))
        // Half a file is not a host less.
        let established = try #require(
            try Conversation(from: cluster.containers[0], to: "10.5.3.2", in: cluster.containers[2])
        )
        try directory.write(#"{"publicIP": "192."#, to: "host3.json")
        try cluster.hosts[0].call("ADD", network, ContainerNamespace(), id: "c2").failed(7, "host3.json")
        #expect(established.goesOn())
        try FileManager.default.removeItem(atPath: directory.path("host3.json"))
        #expect(try cluster.hosts[0].reconcile(network) == "vxlan.1: 5 changes\n")
        #expect(try !cluster.hosts[0].run("ip route").contains("10.5.3.0/24"))
        // It comes back with another address.
        try cluster.move(cluster.hosts[2], to: 33)
        try write(3, at: 33)
        for host in cluster.hosts { try host.reconcile(network) }
        for (from, to) in [(0, 2), (2, 1)] { #expect(try reaches(from, to)) }
        for host in cluster.hosts.prefix(2) {
            let forwarding = try host.run("bridge fdb show dev vxlan.1")
            #expect(forwarding.contains("dst 192.168.9.33 ") && !forwarding.contains("dst 192.168.9.3 "))
            #expect(try host.reconcile(network) == allIsRight)
        }
    }

    /// What somebody may do to a tunnel, and what CHECK says of it.
    private static let damages = [
        ("ip route delete 10.5.2.0/24", "the route to 10.5.2.0/24 is missing"),
        ("ip -6 route delete fd05:0:0:2::/64", "the route to fd05:0:0:2::/64 is missing"),
        (
            "ip route change 10.5.2.0/24 via 10.5.3.0 dev vxlan.1 onlink proto 92",
            "the route to 10.5.2.0/24 is another one"
        ),
        // What the releases made that gave all routes one scope.
        (
            "ip route change 10.5.2.0/24 via 10.5.2.0 dev vxlan.1 onlink proto 92",
            "the route to 10.5.2.0/24 is another one"
        ),
        ("ip route add 10.5.77.0/24 dev vxlan.1 proto 92", "the route to 10.5.77.0/24 leads to nobody"),
        ("ip neigh delete 10.5.2.0 dev vxlan.1", "the neighbour 10.5.2.0 is missing"),
        (
            "ip neigh replace 10.5.2.0 lladdr 02:00:00:00:00:09 dev vxlan.1 nud permanent",
            "the neighbour 10.5.2.0 is another"
        ),
        (
            "ip neigh add 10.5.77.0 lladdr 02:00:00:00:00:09 dev vxlan.1 nud permanent",
            "the neighbour 10.5.77.0 leads to nobody"
        ),
        (
            "bridge fdb add 02:00:00:00:00:09 dev vxlan.1 dst 192.168.9.77",
            "02:00:00:00:00:09 to 192.168.9.77 leads to nobody"
        ),
        ("bridge fdb delete MAC dev vxlan.1 dst 192.168.9.2", "the forwarding of MAC to 192.168.9.2 is missing"),
        ("bridge fdb replace MAC dev vxlan.1 dst 192.168.9.3", "the forwarding of MAC to 192.168.9.2 is another one"),
        (
            "bridge fdb replace MAC dev vxlan.1 dst 192.168.9.2 port 1234",
            "the forwarding of MAC to 192.168.9.2 is another one"
        ),
        (
            "bridge fdb replace MAC dev vxlan.1 dst 192.168.9.2 vni 77",
            "the forwarding of MAC to 192.168.9.2 is another one"
        ),
        ("sysctl -qw net.ipv4.ip_forward=0", "ip_forward is 0"),
        ("sysctl -qw net.ipv6.conf.all.forwarding=0", "net/ipv6/conf/all/forwarding is 0"),
        ("sysctl -qw net.ipv6.conf.vxlan/1.disable_ipv6=1", "IPv6 is switched off"),
        ("ip address delete 10.5.1.0/32 dev vxlan.1", "the address 10.5.1.0/32 is missing"),
        ("ip address add 10.99.0.1/32 dev vxlan.1", "the address 10.99.0.1/32 leads to nobody"),
        ("ip link set vxlan.1 mtu 1300", "its MTU is 1300, not 1450"),
        ("ip link set vxlan.1 address 02:00:00:00:00:09", "its hardware address is not"),
        ("ip link set vxlan.1 down", "it is down"),
        ("ip link set vxlan.1 type vxlan learning", "its learning is not as it was"),
        ("ip link set vxlan.1 type vxlan local 192.168.9.77", "its local address"),
        ("ip link delete vxlan.1", "the tunnel vxlan.1 is missing"),
        ("ip link set cni-vx1 mtu 1300", "the MTU of the bridge cni-vx1 is 1300, not 1450"),
    ]

    @Test(arguments: damages) func damageIsFoundAndMended(line: String, complaint: String) throws {
        let (host, container) = (cluster.hosts[0], cluster.containers[0])
        try cluster.hosts[1].add(.routed(), cluster.containers[1])
        let network = OverlayNetwork.routed().with(["prevResult": try host.add(.routed(), container)])
        try host.call("CHECK", network, container).succeeded()
        let words = try cluster.hosts[1].run("ip -o link show vxlan.1").split(separator: " ")
        let mac = String(words[try #require(words.firstIndex(of: "link/ether")) + 1])
        try host.run(line.replacing("MAC", with: mac))
        try host.call("CHECK", network, container).failed(105, complaint.replacing("MAC", with: mac), "reconcile")
        #expect(try host.reconcile(.routed()) != allIsRight)
        try host.call("CHECK", network, container).succeeded()
        #expect(try reaches(0, 1))
        #expect(try host.reconcile(.routed()) == allIsRight)
    }

    @Test func anUnderlayThatShrinksIsFollowed() throws {
        try cluster.attachAll(.routed())
        let host = cluster.hosts[0]
        try host.run("ip link set eth0 mtu 1400")
        #expect(try host.reconcile(.routed()) == "vxlan.1: 2 changes\n")
        for name in ["vxlan.1", "cni-vx1"] { #expect(try host.run("ip link show \(name)").contains("mtu 1350")) }
        let result = try host.add(.routed(), ContainerNamespace(), id: "c2")
        #expect(result["interfaces"]?.list.map { $0["mtu"]?.text } == Array(repeating: "1350", count: 4))
        #expect(try reaches(0, 1))
    }

    @Test func aNumberThatChangesLeavesNoTunnelBehind() throws {
        let host = cluster.hosts[0]
        let network = OverlayNetwork.routed(["bridge": "br0"])
        try host.add(network, cluster.containers[0])
        try host.reconcile(network.with(["vni": 7]))
        let links = try host.run("ip -o link show type vxlan")
        #expect(links.contains("vxlan.7") && !links.contains("vxlan.1:"))
        try host.reconcile(network.with(["vni": 7, "port": 4789]))
        #expect(try host.run("ip -d link show vxlan.7").contains("dstport 4789"))
    }

    @Test func theFileOfARuntimeWillDo() throws {
        let host = cluster.hosts[0]
        let directory = try TemporaryDirectory()
        var plugin = OverlayNetwork.routed().members(on: host)
        for key in ["name", "cniVersion"] { plugin[key] = nil }
        let list: JSON = ["cniVersion": "1.1.0", "name": "overlay", "plugins": [.object(plugin), ["type": "portmap"]]]
        let path = try directory.write(String(decoding: list.serialize(), as: UTF8.self), to: "20-overlay.conflist")
        let reconcile = PluginProcess(Executables.path("vxlan"), arguments: ["reconcile", path])
        let outcome = try reconcile.run(in: host.space.namespace)
        #expect(outcome.exitCode == 0, "\(outcome.stderrText)")
        #expect(try host.reconcile(.routed()) == allIsRight)
        let missing = PluginProcess(Executables.path("vxlan"), arguments: ["reconcile", "/nowhere"])
        let help = try PluginProcess(Executables.path("vxlan"), arguments: ["reconcile", "--help"]).run()
        #expect(help.exitCode == 1 && help.stderrText.contains("standard input"), "\(help.stderrText)")
        let refusal = try missing.run(in: host.space.namespace)
        #expect(refusal.exitCode == 1 && refusal.stderrText.contains("/nowhere"))
    }
}
