// SPDX-License-Identifier: Apache-2.0

import JSON
import Support
import Testing

/// Hosts with subnets of their own.
@Suite("vxlan: routed", .ownNetworkNamespace)
struct RoutedTests {
    private func reaches(_ cluster: Cluster, _ from: Int, _ address: String, on to: Int) throws -> Bool {
        let conversation = try Conversation(from: cluster.containers[from], to: address, in: cluster.containers[to])
        return conversation?.goesOn() ?? false
    }

    @Test(arguments: ["192.168.9.", "fd09::"])
    func containersOfAllHostsReachEachOtherWithOneFile(underlay: String) throws {
        let cluster = try Cluster()
        try cluster.attachAll(.routed(over: underlay))
        for from in 0..<3 {
            for to in 0..<3 where to != from {
                for address in ["10.5.\(to + 1).2", "fd05:0:0:\(to + 1)::2"] {
                    #expect(try reaches(cluster, from, address, on: to), "container \(from + 1) to \(address)")
                }
            }
        }
    }

    @Test func theFileThatIsInstalledConnectsThreeHosts() throws {
        let cluster = try Cluster()
        try cluster.attachAll(try .installed("20-vxlan-static.conflist"))
        for (from, to) in [(0, 1), (1, 2), (2, 0)] {
            for address in ["10.5.\(to + 1).2", "fd00:10:5:\(to + 1)::2"] {
                #expect(try reaches(cluster, from, address, on: to), "container \(from + 1) to \(address)")
            }
        }
    }

    @Test(arguments: ["192.168.9.", "fd09::"])
    func hostsReachContainersOfOtherHosts(underlay: String) throws {
        let cluster = try Cluster()
        try cluster.attachAll(.routed(over: underlay))
        for address in ["10.5.2.2", "fd05:0:0:2::2"] {
            let host = cluster.hosts[0].space
            let conversation = try Conversation(from: host, to: address, in: cluster.containers[1])
            #expect(conversation?.goesOn() == true, "host 1 to \(address)")
        }
        for address in ["10.5.2.1", "fd05:0:0:2::1"] {
            let conversation = try Conversation(
                from: cluster.containers[0],
                to: address,
                in: cluster.hosts[1].space
            )
            #expect(conversation?.goesOn() == true, "container 1 to \(address)")
        }
    }

    @Test(arguments: [
        ("192.168.9.", 1500, 1450), ("fd09::", 1500, 1430), ("192.168.9.", 9000, 8950), ("fd09::", 1400, 1330),
    ])
    func packetsAreAsLargeAsTheUnderlayAllows(underlay: String, mtu: Int, inner: Int) throws {
        let cluster = try Cluster(mtu: mtu)
        try cluster.attachAll(.routed(over: underlay))
        let result = try cluster.hosts[0].add(.routed(over: underlay), ContainerNamespace(), id: "c9")
        #expect(result["interfaces"]?.list.map { $0["mtu"]?.text } == Array(repeating: "\(inner)", count: 4))
        for address in ["10.5.2.2", "fd05:0:0:2::2"] {
            let (from, to) = (cluster.containers[0], cluster.containers[1])
            #expect(try Datagram.send(inner, from: from, to: address, in: to) == .arrived, "\(inner) to \(address)")
            #expect(try Datagram.send(inner + 1, from: from, to: address, in: to) == .refused)
        }
        let links = try cluster.hosts[0].run("ip -o link show")
        for name in ["vxlan.1", "cni-vx1", "veth"] {
            let line = links.split(separator: "\n").first { $0.contains(" \(name)") }
            #expect(line?.contains("mtu \(inner) ") == true, "\(links)")
        }
    }

    @Test func anMTUOfTheConfigurationIsTaken() throws {
        let cluster = try Cluster()
        let network = OverlayNetwork.routed(["mtu": 1400])
        let result = try cluster.hosts[0].add(network, cluster.containers[0])
        #expect(result["interfaces"]?.list.map { $0["mtu"]?.text } == Array(repeating: "1400", count: 4))
    }

    @Test func eachHostCostsOneRouteAndOneNeighbourForEachFamilyAndOneForwardingEntry() throws {
        let cluster = try Cluster()
        try cluster.attachAll(.routed())
        let host = cluster.hosts[0]
        let routes = try host.run("ip route show proto 92").split(separator: "\n").map { $0.trimmed }
        #expect(
            Set(routes) == [
                "10.5.2.0/24 via 10.5.2.0 dev vxlan.1 scope 142 onlink",
                "10.5.3.0/24 via 10.5.3.0 dev vxlan.1 scope 143 onlink",
            ]
        )
        #expect(try host.run("ip -6 route show proto 92").split(separator: "\n").count == 2)
        #expect(try host.run("ip neigh show dev vxlan.1 nud permanent").split(separator: "\n").count == 4)
        let forwarding = try host.run("bridge fdb show dev vxlan.1").split(separator: "\n")
        #expect(forwarding.count == 2 && forwarding.allSatisfy { $0.contains("self permanent") })
        // A second container adds nothing to it.
        let before = try host.run("ip -d link show vxlan.1")
        try host.add(.routed(), ContainerNamespace(), id: "c2")
        #expect(try host.run("ip -d link show vxlan.1") == before)
        #expect(try host.run("bridge fdb show dev vxlan.1").split(separator: "\n").count == 2)
    }

    @Test func theAddressOfAnEndFollowsFromNumberAndHost() throws {
        let cluster = try Cluster()
        let result = try cluster.hosts[0].add(.routed(), cluster.containers[0])
        // printf 1/192.168.9.1 | sha512sum, the first six bytes with the bit for local set and that for groups cleared.
        #expect(result["interfaces"]?.list.last?["mac"] == "7a:d6:ac:2c:f0:0f")
    }

    @Test func anAddressOfAnEndMayBeGiven() throws {
        let cluster = try Cluster()
        let peers = (1...3).map { number -> JSON in
            [
                "PublicIP": .string("192.168.9.\(number)"), "BackendType": "vxlan",
                "Subnet": .string("10.5.\(number).0/24"),
                "BackendData": ["VNI": 1, "VtepMAC": .string("02:00:00:00:00:0\(number)")],
            ]
        }
        let network = OverlayNetwork.routed(["peers": .array(peers), "network": "10.5.0.0/16"])
        try cluster.attachAll(network)
        #expect(try cluster.hosts[0].run("ip link show vxlan.1").contains("02:00:00:00:00:01"))
        #expect(try reaches(cluster, 0, "10.5.3.2", on: 2))
    }

    @Test(arguments: ["192.168.9.", "fd09::"]) func hostsOnOneLinkNeedNoTunnel(underlay: String) throws {
        let cluster = try Cluster()
        let network = OverlayNetwork.routed(over: underlay, ["directRouting": true, "teardown": "auto"])
        try cluster.attachAll(network)
        let version = underlay.contains(":") ? "-6" : "-4"
        let routes = try cluster.hosts[0].run("ip \(version) route show proto 92")
        #expect(routes.contains("via \(underlay)2 dev eth0"))
        #expect(!routes.contains("vxlan.1"))
        // A route of the other family needs the tunnel.
        let others = try cluster.hosts[0].run("ip \(version == "-6" ? "-4" : "-6") route show proto 92")
        #expect(others.contains("dev vxlan.1"))
        for address in ["10.5.2.2", "fd05:0:0:2::2"] { #expect(try reaches(cluster, 0, address, on: 1)) }
        try cluster.hosts[0].call("DEL", network, cluster.containers[0]).succeeded()
        #expect(try cluster.hosts[0].run("ip \(version) route show proto 92") == "")
    }

    @Test func aHostBehindARouterIsReachedThroughTheTunnel() throws {
        let cluster = try Cluster()
        try cluster.hosts[2].run("ip address delete 192.168.9.3/24 dev eth0")
        try cluster.hosts[2].run("ip address add 192.168.77.3/24 dev eth0")
        try cluster.hosts[2].run("ip route add 192.168.9.0/24 dev eth0")
        for host in cluster.hosts.prefix(2) {
            try host.run("ip route add 192.168.77.3 via 192.168.9.3 dev eth0 onlink")
        }
        // Who has the address is asked for on the link; the route says that it is not on it.
        for host in cluster.hosts.prefix(2) {
            let words = try cluster.hosts[2].run("ip -o link show eth0").split(separator: " ")
            let mac = words[try #require(words.firstIndex(of: "link/ether")) + 1]
            try host.run("ip neigh replace 192.168.9.3 lladdr \(mac) dev eth0 nud permanent")
        }
        let peers: [JSON] = [
            OverlayNetwork.peer(1), OverlayNetwork.peer(2),
            ["publicIP": "192.168.77.3", "subnet": "10.5.3.0/24,fd05:0:0:3::/64"],
        ]
        try cluster.attachAll(.routed(["peers": .array(peers), "directRouting": true]))
        let routes = try cluster.hosts[0].run("ip route show proto 92")
        #expect(routes.contains("10.5.2.0/24 via 192.168.9.2 dev eth0"))
        #expect(routes.contains("10.5.3.0/24 via 10.5.3.0 dev vxlan.1"))
        #expect(try reaches(cluster, 0, "10.5.2.2", on: 1))
        #expect(try reaches(cluster, 0, "10.5.3.2", on: 2))
    }

    @Test func withoutADefaultRouteTheNetworkIsReached() throws {
        let cluster = try Cluster()
        let network = OverlayNetwork.routed(["isDefaultGateway": false])
        try cluster.attachAll(network)
        let routes = try TestHost.run("ip route show", in: cluster.containers[0])
        #expect(routes.contains("10.5.0.0/16 via 10.5.1.1") && !routes.contains("default"))
        for address in ["10.5.2.2", "fd05:0:0:2::2"] { #expect(try reaches(cluster, 0, address, on: 1)) }
    }

    @Test func aHostThatIsNotListedSaysWhoItIs() throws {
        let cluster = try Cluster()
        let others = OverlayNetwork.routed(["peers": [OverlayNetwork.peer(2), OverlayNetwork.peer(3)]])
        for own in [("local", JSON.string("192.168.9.1")), ("master", "eth0")] {
            let network = others.with(["subnet": ["10.5.1.0/24", "fd05:0:0:1::/64"]]).with([own.0: own.1])
            let result = try cluster.hosts[0].add(network, cluster.containers[0])
            #expect(result["ips"]?.list.first?["address"]?.text?.hasPrefix("10.5.1.") == true)
            try cluster.hosts[0].call("DEL", network, cluster.containers[0]).succeeded()
        }
    }

    @Test(arguments: ["on", "off"]) func theOffloadOfChecksumsIsSet(offload: String) throws {
        let cluster = try Cluster()
        try cluster.hosts[0].add(.routed(["txChecksumOffload": .string(offload)]), cluster.containers[0])
        let shown = try cluster.hosts[0].run("ethtool -k vxlan.1")
        #expect(shown.contains("tx-checksumming: \(offload)"), "\(shown)")
    }

    @Test func rangesOfTheConfigurationStay() throws {
        let cluster = try Cluster()
        let ipam: JSON = ["type": "host-local", "ranges": [[["subnet": "10.5.1.0/24", "rangeStart": "10.5.1.77"]]]]
        let result = try cluster.hosts[0].add(.routed(["ipam": ipam]), cluster.containers[0])
        #expect(result["ips"]?.list.map { $0["address"]?.text } == ["10.5.1.77/24"])
    }
}

extension StringProtocol {
    /// The text without blanks and line ends around it.
    var trimmed: String {
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\n" }
        return String(String(drop(while: isBlank)).reversed().drop(while: isBlank).reversed())
    }
}
