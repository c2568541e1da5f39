// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Support
import Testing

/// Networks of both versions of IP, and what leaves them.
@Suite(
    "overlayd: both versions of IP",
    .ownNetworkNamespace,
    .enabled(if: Programs.path("etcd") != nil, "needs etcd-server and etcd-client")
)
struct DualStackTests {
    private static let network = """
        {"Network":"10.5.0.0/16","SubnetMax":"10.5.69.0","EnableIPv6":true,"IPv6Network":"fc00:5::/48",\
        "Backend":{"Type":"vxlan","VNI":1,"Port":8472}}
        """

    /// Expects that a server sees a container with an address.
    private func expect(
        _ client: LabHost,
        isSeenBy server: ContainerNamespace,
        at address: String,
        as own: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let seen = try Wire.source(from: client.container, to: server, at: address)
        #expect(seen == own, "\(client.log)", sourceLocation: sourceLocation)
    }

    private func attached(plugin: Bool = false, _ configuration: String = network) throws -> Lab {
        let lab = try Lab(hosts: 2, plugin: plugin ? ["ipMasq": true] : [:])
        for host in lab.hosts {
            try host.run("sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0")
        }
        try lab.registry.configure(configuration)
        try lab.startAll()
        try lab.attachAll()
        return lab
    }

    @Test(arguments: [false, true]) func containersTalkByBoth(direct: Bool) throws {
        let choice = #""Type":"vxlan","DirectRouting":\#(direct)"#
        let lab = try attached(Self.network.replacingOccurrences(of: #""Type":"vxlan""#, with: choice))
        let (first, second) = (lab.hosts[0], lab.hosts[1])
        let key = try #require(try lab.registry.key(of: "192.168.9.1"))
        let match = try #require(key.wholeMatch(of: /(10\.5\.\d+)\.0-24&(fc00:5:0:[0-9a-f:]+)::-64/), "\(key)")
        #expect(try first.address() == "\(match.1).2")
        #expect(try first.address(6) == "\(match.2)::2")
        #expect(
            try first.text("subnet.env")
                == """
                FLANNEL_NETWORK=10.5.0.0/16
                FLANNEL_SUBNET=\(match.1).1/24
                FLANNEL_IPV6_NETWORK=fc00:5::/48
                FLANNEL_IPV6_SUBNET=\(match.2)::1/64
                FLANNEL_MTU=1450
                FLANNEL_IPMASQ=false

                """
        )
        for (from, to) in [(first, second), (second, first)] {
            for version in [4, 6] {
                let (own, other) = (try from.address(version), try to.address(version))
                try expect(from, isSeenBy: to.container, at: other, as: own)
                let options = ["-\(version)", "-c", "1", "-w", "15"]
                try Registry.run("ping", options + [other], in: from.container)
            }
        }
        // The hosts know each other's addresses of IPv4 only, so IPv6 goes through the tunnel in any case.
        #expect(try first.run("ip -4 route show proto 92").contains(direct ? " dev eth0 " : " dev vxlan.1 "))
        #expect(try first.run("ip -6 route show proto 92").contains(" dev vxlan.1 "))
        #expect(try first.plugin("STATUS").exitCode == 0)
        // The same subnets after a restart.
        #expect(first.end(SIGTERM)?.exitCode == 0)
        try first.start()
        #expect(try eventually { try first.plugin("STATUS").exitCode == 0 })
        #expect(try lab.registry.key(of: "192.168.9.1") == key)
        // Who leaves takes the ways of both versions along.
        #expect(second.end(SIGTERM)?.exitCode == 0)
        #expect(try second.call("--revoke").exitCode == 0)
        #expect(try eventually { try first.ways().isEmpty && first.run("ip -6 route show proto 92").isEmpty })
    }

    @Test func hostsThatComeTogetherShareNoSubnet() throws {
        // Three hosts draw from three subnets of IPv4, and from many of IPv6; so the keys alone would not keep them apart.
        let network = """
            {"Network":"10.5.0.0/16","SubnetMin":"10.5.67.0","SubnetMax":"10.5.69.0","EnableIPv6":true,\
            "IPv6Network":"fc00:5::/48","Backend":{"Type":"vxlan","VNI":1,"Port":8472}}
            """
        for _ in 0..<3 {
            let lab = try Lab()
            try lab.registry.configure(network)
            try lab.startAll()
            let subnets = try lab.registry.hosts().keys.compactMap { $0.split(separator: "&").first }
            #expect(subnets.sorted() == ["10.5.67.0-24", "10.5.68.0-24", "10.5.69.0-24"], "\(lab.logs)")
        }
    }

    @Test func aHostWithIPv4AloneTakesPartByIPv4() throws {
        let lab = try attached()
        // By hand, as another daemon would: a host that knows nothing of IPv6.
        let other = try LabHost(3, [:], [:])
        let link = "link add p3 master br0 type veth peer name eth0 netns \(other.space.path)"
        try Registry.run("ip", link.split(separator: " ").map { String($0) }, in: lab.wire)
        try Registry.run("ip", ["link", "set", "p3", "up"], in: lab.wire)
        let mac = "02:00:00:00:00:77"
        for line in [
            "link set lo up", "link set eth0 up", "address add 192.168.9.3/24 dev eth0",
            "link add vxlan.1 address \(mac) mtu 1450 type vxlan id 1 dstport 8472 local 192.168.9.3 dev eth0 nolearning",
            "address add 10.5.77.0/32 dev vxlan.1", "link set vxlan.1 up", "address add 10.5.77.2/32 dev lo",
        ] {
            try other.run("ip \(line)")
        }
        for host in lab.hosts {
            let key = try #require(try lab.registry.key(of: "192.168.9.\(host.number)"))
            let subnet = String(try #require(key.split(separator: "-").first))
            let words = try host.run("ip -o link show vxlan.1").split(separator: " ")
            let end = words[try #require(words.firstIndex(of: "link/ether")) + 1]
            try other.run("ip neigh add \(subnet) lladdr \(end) dev vxlan.1 nud permanent")
            try other.run("bridge fdb add \(end) dev vxlan.1 dst 192.168.9.\(host.number)")
            try other.run("ip route add \(subnet)/24 via \(subnet) dev vxlan.1 onlink src 10.5.77.2")
        }
        try lab.registry.put("subnets/10.5.77.0-24", Registry.value("192.168.9.3", mac: mac))
        for host in lab.hosts {
            #expect(try eventually { try host.ways().contains("10.5.77.0/24") }, "\(host.log)")
            try expect(host, isSeenBy: other.space, at: "10.5.77.2", as: host.address())
            #expect(try host.run("ip -6 route show proto 92").split(separator: "\n").count == 1)
        }
        let (first, second) = (lab.hosts[0], lab.hosts[1])
        try expect(first, isSeenBy: second.container, at: second.address(6), as: first.address(6))
        #expect(!lab.logs.contains("no way to"), "\(lab.logs)")
    }

    @Test func hostsOfFlannelAreToldOfBothAddresses() throws {
        let lab = try Lab(hosts: 2)
        let (first, second) = (lab.hosts[0], lab.hosts[1])
        try first.run("ip address add fd99::1/64 dev eth0 nodad")
        try lab.registry.configure(Self.network)
        // A key as a release before this one wrote it.
        let key = "10.5.42.0-24&fc00:5:0:42::-64"
        try lab.registry.put("subnets/\(key)", Registry.value("192.168.9.1", mac: "02:00:00:00:00:01"))
        func published() throws -> String? {
            let value = try lab.registry.hosts()[key] ?? ""
            let data = value.components(separatedBy: #""BackendData":"#).last?.prefix { $0 != "}" } ?? ""
            guard value.hasSuffix("BackendV6Data\":\(data)}}") else { return value.contains("V6Data") ? "wrong" : nil }
            return value.components(separatedBy: #""PublicIPv6":""#).last.map { String($0.prefix { $0 != "\"" }) }
        }
        for _ in 0..<2 { #expect(try first.call("--once").exitCode == 0) }
        #expect(try published() == "fd99::1")
        #expect(try lab.registry.settings(of: key) == 2)
        try lab.startAll()
        let before = try second.entries()
        #expect(before.contains("dst 192.168.9.1 self"))
        let device = try second.run("ip -o link show vxlan.1").prefix { $0 != ":" }
        for (line, address) in [
            ("add fd99::5/64 dev eth0 nodad valid_lft 3000 preferred_lft 0", "fd99::1"),
            ("delete fd99::1/64 dev eth0", nil), ("add fd99::7/64 dev eth0", "fd99::7"),
            ("add fd99::8/64 dev eth0 nodad", "fd99::7"),
        ] {
            try first.run("ip address \(line)")
            #expect(try eventually { try published() == address }, "\(line): \(first.log)")
        }
        // To the others it is the same host with the same subnet all the time.
        #expect(try lab.registry.hosts().keys.contains(key) && lab.registry.hosts().count == 2)
        #expect(try second.entries() == before)
        #expect(try second.run("ip -o link show vxlan.1").prefix { $0 != ":" } == device)
        // Where the tunnel goes over IPv6, or there is no IPv6, nobody needs it.
        try lab.registry.configure(Lab.vxlan)
        #expect(try eventually { try lab.registry.hosts().count == 2 && !lab.registry.hosts().keys.contains(key) })
        #expect(try !lab.registry.hosts().values.contains { $0.contains("fd99") || $0.contains("V6Data") })
    }

    @Test func aHostThatStillHasIPv6IsReachedByIPv4() throws {
        let lab = try Lab(hosts: 1)
        try lab.registry.configure(Lab.vxlan)
        try lab.registry.put(
            "subnets/10.5.80.0-24&fc00:5:0:80::-64",
            Registry.value("192.168.9.80", mac: "02:00:00:00:00:80")
        )
        try lab.registry.put(
            "subnets/fc00:5:0:81::-64",
            Registry.value("192.168.9.81", mac: "02:00:00:00:00:81")
        )
        let host = lab.hosts[0]
        try host.start()
        #expect(try eventually { try host.ways() == ["10.5.80.0/24"] }, "\(host.log)")
        #expect(!host.log.contains("no way to 10.5.80.0"), "\(host.log)")
        #expect(eventually { host.log.contains("no way to fc00:5:0:81::-64: ") }, "\(host.log)")
        #expect(try host.run("ip -6 route show proto 92").isEmpty)
        // It hears of it, and its key is another one.
        try lab.registry.put("subnets/10.5.80.0-24", Registry.value("192.168.9.80", mac: "02:00:00:00:00:80"))
        try lab.registry.delete("subnets/10.5.80.0-24&fc00:5:0:80::-64")
        try lab.registry.put("subnets/10.5.82.0-24", Registry.value("192.168.9.82", mac: "02:00:00:00:00:82"))
        #expect(try eventually { try host.ways().sorted() == ["10.5.80.0/24", "10.5.82.0/24"] }, "\(host.log)")
    }

    @Test func whatANetworkThatGetsIPv6HasStays() throws {
        let lab = try attached(Lab.vxlan)
        let host = lab.hosts[0]
        let key = try #require(try lab.registry.key(of: "192.168.9.1"))
        let device = try host.run("ip -o link show vxlan.1").prefix { $0 != ":" }
        let before = try host.entries()
        let directory = try TemporaryDirectory()
        let command = "exec ip -4 monitor route >\(directory.path("routes"))"
        let monitor = try host.space.inside { try PluginProcess("/bin/sh", arguments: ["-c", command]).start() }
        for configuration in [Self.network, Lab.vxlan] {
            let old = try #require(try lab.registry.key(of: "192.168.9.1"))
            try lab.registry.configure(configuration)
            #expect(try eventually { try lab.registry.key(of: "192.168.9.1").map { $0 != old } ?? false })
            let new = try #require(try lab.registry.key(of: "192.168.9.1"))
            // Until the new key came the old one was there: others have no reason to take a route away in between.
            let revision = try #require(try lab.registry.creation(of: new))
            let then = try lab.registry.type([
                "get", "\(Registry.prefix)/subnets/\(old)", "--rev", "\(revision - 1)", "--keys-only",
            ])
            #expect(then.contains(old), "\(lab.logs)")
            #expect(try lab.registry.hosts().count == 2)
            #expect(try eventually { try host.run("ip -6 route show proto 92").isEmpty == (new == key) })
            #expect(try eventually { try host.entries() == before || new != key }, "\(host.log)")
            #expect(try host.run("ip -o link show vxlan.1").prefix { $0 != ":" } == device, "\(host.log)")
        }
        #expect(try lab.registry.key(of: "192.168.9.1") == key)
        // That the other host has gone and come back is not what this one took it for.
        try host.run("ip route add 10.9.9.0/24 dev eth0")
        let heard = { (try? String(contentsOfFile: directory.path("routes"), encoding: .utf8)) ?? "" }
        #expect(eventually { heard().contains("10.9.9.0/24") })
        #expect(!heard().contains("Deleted"), "\(heard())")
        monitor.send(SIGTERM)
        _ = try monitor.finish()
    }

    @Test func aNetworkThatGetsIPv6AndLosesItLeavesEachHostWhatItHas() throws {
        let lab = try attached(Lab.vxlan)
        let established = try #require(try lab.connect(0, 1))
        let before = try lab.registry.hosts().keys.sorted()
        for configuration in [Self.network, Lab.vxlan] {
            let isDual = configuration == Self.network
            try lab.registry.configure(configuration)
            #expect(
                try eventually {
                    let keys = try lab.registry.hosts().keys
                    return keys.count == 2 && keys.allSatisfy { $0.contains("&fc00:5:") == isDual }
                },
                "\(lab.logs)"
            )
            let parts = try lab.registry.hosts().keys.compactMap { $0.split(separator: "&").first }
            #expect(parts.sorted().map { String($0) } == before)
            for host in lab.hosts {
                #expect(
                    try eventually { try host.run("ip -6 route show proto 92").contains("fc00:5:") == isDual },
                    "\(host.log)"
                )
                #expect(try eventually { try host.ways().count == 1 && host.isReady })
            }
            #expect(established.goesOn(), "\(lab.logs)")
        }
        // A container that comes now joins those that are there.
        #expect(try lab.hosts[0].plugin("DEL").exitCode == 0)
        try lab.hosts[0].attach()
        #expect(try lab.reaches(0, 1))
    }

    @Test func plainRoutesDoNotLeadToHostsWithBothVersions() throws {
        let lab = try attached(Self.network)
        let host = lab.hosts[0]
        let established = try #require(try lab.connect(0, 1))
        let key = try lab.registry.key(of: "192.168.9.1")
        let before = try host.entries()
        let wrong = Self.network.replacingOccurrences(of: #""Type":"vxlan""#, with: #""Type":"host-gw""#)
        try lab.registry.configure(wrong)
        #expect(eventually { host.log.contains("config: EnableIPv6: host-gw leads over ") }, "\(host.log)")
        // The configuration is as wrong as any other: what is there stays.
        #expect(try host.entries() == before)
        #expect(try lab.registry.key(of: "192.168.9.1") == key)
        #expect(established.goesOn())
        try lab.registry.configure(Self.network)
        #expect(eventually { host.log.contains("all is well again") }, "\(host.log)")
        #expect(try host.entries() == before)
        #expect(established.goesOn())
    }

    @Test(arguments: [
        ("vxlan", network),
        ("host-gw", #"{"Network":"10.5.0.0/16","Backend":{"Type":"host-gw"}}"#),
        ("direct", #"{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","DirectRouting":true}}"#),
    ])
    func onlyOutsideTheHostsAddressIsSeen(way: String, configuration: String) throws {
        let lab = try attached(plugin: true, configuration)
        let (first, second) = (lab.hosts[0], lab.hosts[1])
        // Where the registry is; nobody there knows a way to containers.
        try expect(first, isSeenBy: lab.wire, at: "192.168.9.101", as: "192.168.9.1")
        for version in way == "vxlan" ? [4, 6] : [4] {
            try expect(first, isSeenBy: second.container, at: second.address(version), as: first.address(version))
        }
        #expect(try first.text("subnet.env").contains("FLANNEL_IPMASQ=true"))
        #expect(try first.plugin("DEL").exitCode == 0)
        let rules = try first.space.inside { try PacketFilter() }
        #expect(rules.isEmpty, "\(rules)")
    }

    /// Containers that were there before have addresses of it.
    @Test(arguments: [false, true]) func aSubnetOfIPv6ComesBackWhenIPv6IsSwitchedOnAgain(restarting: Bool) throws {
        let lab = try attached()
        let (first, second) = (lab.hosts[0], lab.hosts[1])
        let keys = try lab.hosts.map { try lab.registry.key(of: "192.168.9.\($0.number)") }
        try lab.registry.configure(
            Self.network.replacingOccurrences(of: #""EnableIPv6":true"#, with: #""EnableIPv6":false"#)
        )
        #expect(
            try eventually { try lab.registry.key(of: "192.168.9.1")?.contains("&") == false && first.isReady },
            "\(lab.logs)"
        )
        if restarting {
            first.end(SIGTERM)
            try first.start()
        }
        try lab.registry.configure(Self.network)
        let areBack = try eventually {
            try lab.hosts.map { try lab.registry.key(of: "192.168.9.\($0.number)") } == keys
        }
        #expect(areBack, "\(lab.logs)")
        let isReached = try eventually {
            let ping = ["-6", "-c", "1", "-w", "2", try second.address(6)]
            return (try? Registry.run("ping", ping, in: first.container)) != nil
        }
        #expect(isReached, "\(lab.logs)")
    }
}
