// SPDX-License-Identifier: Apache-2.0

import JSON
import Support
import Testing

/// Hosts on one stretched link.
@Suite("vxlan: bridged", .ownNetworkNamespace)
struct BridgedTests {
    private let cluster: Cluster
    init() throws { cluster = try Cluster() }

    private func reaches(_ from: Int, _ address: String, on to: Int) throws -> Bool {
        let conversation = try Conversation(from: cluster.containers[from], to: address, in: cluster.containers[to])
        return conversation?.goesOn() ?? false
    }

    private func expectAllReachable(sourceLocation: SourceLocation = #_sourceLocation) throws {
        for from in 0..<3 {
            for to in 0..<3 where to != from {
                for address in ["10.6.\(to + 1).2", "fd06::\(to + 1):0:0:2"] {
                    #expect(
                        try reaches(from, address, on: to),
                        "container \(from + 1) to \(address)",
                        sourceLocation: sourceLocation
                    )
                }
            }
        }
    }

    @Test(arguments: ["192.168.9.", "fd09::"], [true, false])
    func containersOfAllHostsAreNeighbours(underlay: String, learning: Bool) throws {
        try cluster.attachAll(.bridged(over: underlay, ["learning": .bool(learning)]))
        try expectAllReachable()
        // They are on one link: nobody passes packets on.
        #expect(try TestHost.run("ip neigh show", in: cluster.containers[0]).contains("10.6.2.2"))
        let learnt = try cluster.hosts[0].run("bridge fdb show dev vxlan.42").split(separator: "\n")
            .filter { $0.contains("self") && !$0.contains("permanent") }
        #expect(learnt.isEmpty != learning, "\(learnt)")
    }

    @Test(arguments: [("192.168.9.", 1450), ("fd09::", 1430)])
    func packetsAreAsLargeAsTheUnderlayAllows(underlay: String, inner: Int) throws {
        try cluster.attachAll(.bridged(over: underlay))
        for address in ["10.6.2.2", "fd06::2:0:0:2"] {
            let (from, to) = (cluster.containers[0], cluster.containers[1])
            #expect(try Datagram.send(inner, from: from, to: address, in: to) == .arrived)
            #expect(try Datagram.send(inner + 1, from: from, to: address, in: to) == .refused)
        }
    }

    @Test func eachHostIsAGatewayOfItsOwn() throws {
        try cluster.attachAll(.bridged(["isDefaultGateway": true]))
        #expect(try TestHost.run("ip route", in: cluster.containers[1]).contains("default via 10.6.2.1"))
        try expectAllReachable()
        for address in ["10.6.1.1", "10.6.3.1", "fd06::3:0:0:1"] {
            let host = cluster.hosts[address.contains("3") ? 2 : 0].space
            let conversation = try Conversation(from: cluster.containers[1], to: address, in: host)
            #expect(conversation?.goesOn() == true, "\(address)")
        }
    }

    @Test(arguments: [true, false]) func aHostThatMovesLeavesNothingBehindOnTheOthers(learning: Bool) throws {
        try cluster.attachAll(.bridged(["learning": .bool(learning)]))
        try expectAllReachable()
        let established = try #require(
            try Conversation(from: cluster.containers[0], to: "10.6.2.2", in: cluster.containers[1])
        )
        #expect(established.goesOn())
        try cluster.move(cluster.hosts[1], to: 22)
        var peers: [JSON] = []
        for (number, address) in [(1, 1), (2, 22), (3, 3)] {
            let subnets = "10.6.\(number).0/24,fd06:0:0:0:\(number)::/80"
            peers.append(["publicIP": .string("192.168.9.\(address)"), "subnet": .string(subnets)])
        }
        let moved = OverlayNetwork.bridged(["learning": .bool(learning), "peers": .array(peers)])
        for host in cluster.hosts { try host.reconcile(moved) }
        for host in [0, 2] {
            let forwarding = try cluster.hosts[host].run("bridge fdb show dev vxlan.42")
            #expect(
                forwarding.contains("dst 192.168.9.22 ") && !forwarding.contains("dst 192.168.9.2 "),
                "\(forwarding)"
            )
        }
        #expect(established.goesOn())
        try expectAllReachable()
        for host in cluster.hosts { #expect(try host.reconcile(moved) == "vxlan.42: all is as it is to be\n") }
    }

    @Test(arguments: [("192.168.9.", "239.1.1.1"), ("fd09::", "ff05::100")])
    func hostsFindEachOtherByAGroup(underlay: String, group: String) throws {
        for (number, (host, container)) in zip(cluster.hosts, cluster.containers).enumerated() {
            // The underlay passes on what nobody has joined as well, so it is the kernel that must join.
            let network = OverlayNetwork.bridged([
                "peers": nil, "group": .string(group), "local": .string("\(underlay)\(number + 1)"),
                "subnet": .string("10.6.\(number + 1).0/24,fd06:0:0:0:\(number + 1)::/80"),
            ])
            let result = try host.add(network, container)
            try host.call("CHECK", network.with(["prevResult": result]), container).succeeded()
            #expect(try host.reconcile(network) == "vxlan.42: all is as it is to be\n")
        }
        #expect(try cluster.hosts[0].run("ip maddress show dev eth0").contains(group))
        try expectAllReachable()
    }

    @Test func somebodyElseLooksAfterTheEntries() throws {
        let network = OverlayNetwork.bridged(["controlPlane": "external"])
        try cluster.attachAll(network)
        for host in cluster.hosts {
            #expect(try !host.run("bridge fdb show dev vxlan.42").contains("dst"))
            let port = try host.run("bridge -d link show dev vxlan.42")
            #expect(port.contains("learning off") && port.contains("neigh_suppress on"), "\(port)")
            #expect(try host.run("ip -d link show vxlan.42").contains("nolearning"))
        }
        #expect(try !reaches(0, "10.6.2.2", on: 1))
        for (host, other) in [(0, 2), (1, 1)] {
            let line = "bridge fdb append 00:00:00:00:00:00 dev vxlan.42 dst 192.168.9.\(other)"
            try cluster.hosts[host].run(line)
        }
        #expect(try reaches(0, "10.6.2.2", on: 1))
        #expect(try cluster.hosts[0].reconcile(network) == "vxlan.42: all is as it is to be\n")
        #expect(try cluster.hosts[0].run("bridge fdb show dev vxlan.42").contains("dst 192.168.9.2"))
    }

    @Test func whoAnnouncesItselfIsNotedForSomebodyElse() throws {
        let (host, container) = (cluster.hosts[0], cluster.containers[0])
        let network = OverlayNetwork.bridged(["controlPlane": "external"])
        let checked = network.with(["prevResult": try host.add(network, container)])
        for address in ["10.6.1.2", "fd06::1:0:0:2"] {
            #expect(try eventually { try host.run("ip neigh show dev cni-vx42").contains("\(address) lladdr") })
        }
        for key in ["ipv4.conf.cni-vx42.arp_accept", "ipv6.conf.cni-vx42.accept_untracked_na"] {
            try host.run("sysctl -qw net.\(key)=0")
            try host.call("CHECK", checked, container).failed(105, "does not note who announces itself", "reconcile")
            #expect(try host.reconcile(network) == "vxlan.42: 1 changes\n")
            try host.call("CHECK", checked, container).succeeded()
        }
        // A host that passes packets on tells everybody, and this one does not.
        #expect(try host.run("sysctl -n net.ipv6.conf.all.forwarding") == "0\n")
        let other = cluster.hosts[1]
        try other.add(network.with(["neighSuppress": false]), cluster.containers[1])
        #expect(try other.run("sysctl -n net.ipv4.conf.cni-vx42.arp_accept") == "0\n")
    }

    @Test func whoIsKnownIsNotAskedFor() throws {
        try cluster.attachAll(.bridged())
        let words = try TestHost.run("ip -o link show eth0", in: cluster.containers[1]).split(separator: " ")
        let mac = String(words[try #require(words.firstIndex(of: "link/ether")) + 1])
        let peers: [JSON] = [
            ["publicIP": "192.168.9.1", "subnet": "10.6.1.0/24"],
            [
                "publicIP": "192.168.9.2", "subnet": "10.6.2.0/24",
                "endpoints": [
                    ["address": "10.6.2.2", "mac": .string(mac)], ["address": "fd06::2:0:0:2", "mac": .string(mac)],
                ],
            ],
        ]
        let network = OverlayNetwork.bridged(["peers": .array(peers), "neighSuppress": true, "learning": false])
        let host = cluster.hosts[0]
        try host.reconcile(network)
        let forwarding = try host.run("bridge fdb show dev vxlan.42")
        #expect(forwarding.contains("\(mac) dst 192.168.9.2 self permanent"))
        #expect(forwarding.contains("\(mac) master cni-vx42 static"))
        #expect(try host.run("ip neigh show dev cni-vx42 nud permanent").contains("10.6.2.2 lladdr \(mac)"))
        #expect(try host.reconcile(network) == "vxlan.42: all is as it is to be\n")
        // Nothing that is flooded arrives any more, so the answer is the bridge's.
        try host.run("bridge fdb del 00:00:00:00:00:00 dev vxlan.42 dst 192.168.9.2")
        try TestHost.run("ip neigh flush dev eth0", in: cluster.containers[0])
        #expect(try reaches(0, "10.6.2.2", on: 1))
        #expect(try reaches(0, "fd06::2:0:0:2", on: 1))
        // What is not said any more goes again.
        #expect(try host.reconcile(.bridged()) != "")
        #expect(try host.run("ip neigh show dev cni-vx42 nud permanent") == "")
        #expect(try !host.run("bridge fdb show dev vxlan.42").contains("static"))
    }

    /// Who is kept apart from neighbours is so from those on other hosts, whoever else comes or fails to; all others have their way.
    @Test func anIsolatedContainerIsApartFromOtherHostsToo() throws {
        let network = OverlayNetwork.bridged()
        let host = cluster.hosts[0]
        // With bridged packets passing the rules nobody could tell what the bridge does.
        try host.run("sysctl -qw net.bridge.bridge-nf-call-iptables=0")
        try cluster.hosts[1].add(network, cluster.containers[1])
        let members = [cluster.containers[0], try ContainerNamespace(), try ContainerNamespace()]
        var results = [try host.add(network, members[0])]
        for (number, member) in members.enumerated().dropFirst() {
            results.append(try host.add(network, member, id: "c\(number + 1)"))
        }
        let calls = zip(members, results).enumerated().map { number, member in
            PluginCall("firewall", #","ingressPolicy":"isolated""#).of(member.0, "c\(number + 1)").with {
                ($0.network, $0.previous) = ("overlay", String(decoding: member.1.serialize(), as: UTF8.self))
            }
        }
        func isApart() throws -> Bool { try host.run("bridge -d link show dev vxlan.42").contains("isolated on") }
        try host.space.inside { for call in calls.prefix(2) { try call.call("ADD") } }
        #expect(try isApart())
        try host.space.inside {
            let steps = try calls[2].failAfterEachStep { step in
                let isApart = try isApart()
                #expect(isApart, step)
            }
            #expect(steps > 0)
        }
        try host.space.inside { for call in calls.dropFirst() { try call.call("DEL") } }
        #expect(try isApart())
        try host.call("CHECK", network.with(["prevResult": results[0]]), members[0]).succeeded()
        #expect(try !reaches(0, "10.6.2.2", on: 1))
        let open = cluster.containers[2]
        try host.add(network, open, id: "c9")
        #expect(try Conversation(from: open, to: "10.6.2.2", in: cluster.containers[1])?.goesOn() == true)
    }
}
