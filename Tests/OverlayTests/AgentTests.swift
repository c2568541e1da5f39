// SPDX-License-Identifier: Apache-2.0

import Foundation
import JSON
import Support
import Testing

/// Hosts that find each other by etcd.
@Suite(
    "overlayd",
    .ownNetworkNamespace,
    .enabled(if: Programs.path("etcd") != nil, "needs etcd-server and etcd-client")
)
struct AgentTests {
    @Test(arguments: [
        ("vxlan", Lab.vxlan, 1450),
        (
            "direct",
            #"{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","VNI":1,"DirectRouting":true}}"#,
            1450
        ),
        ("host-gw", #"{"Network":"10.5.0.0/16","SubnetLen":26,"Backend":{"Type":"host-gw"}}"#, 1500),
    ])
    func containersOfThreeHostsTalk(way: String, configuration: String, mtu: Int) throws {
        let lab = try Lab()
        try lab.registry.configure(configuration)
        try lab.startAll()
        try lab.attachAll()
        for from in 0..<3 {
            for to in 0..<3 where to != from { #expect(try lab.reaches(from, to), "\(from) to \(to): \(lab.logs)") }
        }
        let host = lab.hosts[0]
        let key = try #require(try lab.registry.key(of: "192.168.9.1"))
        let parts = key.split(separator: "-")
        let first = parts[0].split(separator: ".").dropLast().joined(separator: ".")
        let last = try #require(Int(parts[0].split(separator: ".")[3])) + 1
        #expect(
            try host.text("subnet.env")
                == "FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=\(first).\(last)/\(parts[1])\nFLANNEL_MTU=\(mtu)\nFLANNEL_IPMASQ=false\n"
        )
        #expect(try Registry.run("ip", ["link", "show", "eth0"], in: host.container).contains("mtu \(mtu) "))
        let routes = try host.run("ip route show proto 92")
        #expect(routes.contains("dev vxlan.1 scope ") == (way == "vxlan"), "\(routes)")
        #expect(routes.contains("via 192.168.9.2 dev eth0") == (way != "vxlan"), "\(routes)")
        let tunnels = try host.run("ip -o link show type vxlan")
        #expect(tunnels.isEmpty == (way == "host-gw"))
        let value = try #require(try lab.registry.hosts()[key])
        if way == "host-gw" {
            #expect(
                value
                    == #"{"PublicIP":"192.168.9.1","PublicIPv6":null,"BackendType":"host-gw","BackendData":null}"#
            )
        } else {
            let words = tunnels.split(separator: " ")
            let mac = String(words[try #require(words.firstIndex(of: "link/ether")) + 1])
            #expect(value == Registry.value("192.168.9.1", mac: mac))
        }
        #expect(try lab.registry.lease(of: key) != 0)
    }

    @Test func aHostThatWasRegisteredByHandIsReached() throws {
        let lab = try Lab(hosts: 1)
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        try lab.registry.put("subnets/10.5.77.0-24", Registry.value("192.168.9.77", mac: "c6:d2:32:6f:8f:44"))
        try host.start()
        #expect(try eventually { try host.ways() == ["10.5.77.0/24"] }, "\(lab.logs)")
        let before = try host.entries()
        #expect(before.contains("10.5.77.0/24 via 10.5.77.0 dev vxlan.1 scope 18 onlink"))
        #expect(before.contains("10.5.77.0 lladdr c6:d2:32:6f:8f:44 "))
        #expect(before.contains("c6:d2:32:6f:8f:44 dst 192.168.9.77 self permanent"))
        // It comes back as another machine.
        try lab.registry.put("subnets/10.5.77.0-24", Registry.value("192.168.9.78", mac: "c6:d2:32:6f:8f:45"))
        #expect(try eventually { try host.entries().contains("c6:d2:32:6f:8f:45 dst 192.168.9.78 self") })
        let after = try host.entries()
        #expect(!after.contains("8f:44") && !after.contains("192.168.9.77 "), "\(after)")
        // It takes a second subnet, and gives the first one back: what both need stays.
        try lab.registry.put("subnets/10.5.79.0-24", Registry.value("192.168.9.78", mac: "c6:d2:32:6f:8f:45"))
        #expect(try eventually { try host.ways().sorted() == ["10.5.77.0/24", "10.5.79.0/24"] })
        try lab.registry.delete("subnets/10.5.77.0-24")
        #expect(try eventually { try host.ways() == ["10.5.79.0/24"] })
        #expect(try host.entries().contains("c6:d2:32:6f:8f:45 dst 192.168.9.78 self"))
        try lab.registry.delete("subnets/10.5.79.0-24")
        #expect(try eventually { try host.ways() == [] })
        #expect(try eventually { try host.entries() == "" }, "\(host.log)")
    }

    @Test func oneHostsMistakeCostsTheOthersNothing() throws {
        let lab = try Lab(hosts: 1)
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        try host.start()
        #expect(try eventually { try lab.registry.key(of: "192.168.9.1") != nil })
        let own = try #require(try lab.registry.key(of: "192.168.9.1"))
        for (key, value, complaint) in [
            ("10.5.70.0-24", "{", "line 1"),
            ("what", Registry.value("192.168.9.70", mac: "02:00:00:00:00:70"), "the key is not like"),
            ("10.9.70.0-24", Registry.value("192.168.9.70", mac: "02:00:00:00:00:70"), "is not part of the network"),
            (
                own.replacingOccurrences(of: "-24", with: "-25"),
                Registry.value("192.168.9.70", mac: "02:00:00:00:00:70"), "overlaps this host's own"
            ),
            (
                "10.5.71.0-24", Registry.value("192.168.9.71", mac: "01:00:00:00:00:70"),
                "hardware address of one interface"
            ),
            ("10.5.72.0-24", Registry.value("192.168.9.72", mac: "02:00:00:00:00:72", vni: 5), "its VNI is 5"),
            ("10.5.73.0-24", #"{"PublicIP":"192.168.9.73","BackendType":"ipip"}"#, "takes part by ipip"),
        ] {
            try lab.registry.put("subnets/\(key)", value)
            #expect(
                eventually { host.log.contains("no way to \(key): ") && host.log.contains(complaint) },
                "\(host.log)"
            )
        }
        try lab.registry.put("subnets/10.5.77.0-24", Registry.value("192.168.9.77", mac: "c6:d2:32:6f:8f:44"))
        #expect(try eventually { try host.ways() == ["10.5.77.0/24"] }, "\(host.log)")
    }

    @Test func aHundredHosts() throws {
        let lab = try Lab(hosts: 1)
        try lab.registry.configure(#"{"Network":"10.0.0.0/8","Backend":{"Type":"vxlan","VNI":1}}"#)
        let host = lab.hosts[0]
        try host.start()
        #expect(try eventually { try lab.registry.key(of: "192.168.9.1") != nil })
        try lab.registry.putHosts(0..<100)
        #expect(try eventually { try host.ways().count == 100 }, "\(host.log)")
        #expect(try host.entries().split(separator: "\n").count == 300)
        // Each of them is right, not only their number.
        let forwarding = try host.run("bridge fdb show dev vxlan.1")
        for number in 0..<100 { #expect(forwarding.contains("dst 172.16.0.\(number) self permanent")) }
        #expect(host.end(SIGTERM)?.exitCode == 0)
        try lab.registry.type(["del", "--prefix", "\(Registry.prefix)/subnets/10.64."])
        #expect(try host.ways().count == 100)
        try host.start()
        #expect(try eventually { try host.ways().isEmpty }, "\(host.log)")
        #expect(try eventually { try host.entries() == "" })
    }

    @Test func withTrustAndAPassword() throws {
        let directory = try TemporaryDirectory()
        let certificates = try Certificates()
        let password = try directory.write("secret\n", to: "password", permissions: 0o600)
        let lab = try Lab(
            hosts: 1,
            certificates: certificates,
            keys: [
                "caFile": .string(certificates.authority), "username": "root", "passwordFile": .string(password),
            ]
        )
        try lab.registry.configure(Lab.vxlan)
        for words in [["user", "add", "root:secret"], ["user", "grant-role", "root", "root"], ["auth", "enable"]] {
            // The role of this name is there from the beginning in some releases and is made by the first use in others.
            _ = try? lab.registry.type(["role", "add", "root"])
            try lab.registry.type(words)
        }
        let host = lab.hosts[0]
        try host.start()
        #expect(eventually { host.log.contains("this host has 10.5.") }, "\(host.log)")
        // A member that starts anew knows no token any more.
        lab.registry.kill(0)
        #expect(eventually { host.log.contains("etcd: ") })
        try lab.registry.start(0)
        #expect(eventually { host.log.contains("all is well again") }, "\(host.log)")
        let user = ["--user", "root:secret"]
        try lab.registry.type(
            user + [
                "put", "\(Registry.prefix)/subnets/10.5.77.0-24",
                Registry.value("192.168.9.77", mac: "c6:d2:32:6f:8f:44"),
            ]
        )
        #expect(try eventually { try host.ways() == ["10.5.77.0/24"] }, "\(host.log)")
        // All tokens end with this; the next question of the daemon needs a new one.
        try lab.registry.type(user + ["auth", "disable"])
        try lab.registry.type(["auth", "enable"])
        sleep(2)
        #expect(!host.log.contains("invalid auth token"), "\(host.log)")
        try lab.registry.type(user + ["del", "\(Registry.prefix)/subnets/10.5.77.0-24"])
        #expect(try eventually { try host.ways() == [] }, "\(host.log)")
        host.end(SIGTERM)
        try directory.write("wrong\n", to: "password", permissions: 0o600)
        let outcome = try host.call("--once")
        #expect(outcome.exitCode == 1 && outcome.stderrText.contains("authenticat"), "\(outcome.stderrText)")
    }

    @Test func theInstalledFileWorks() throws {
        let lab = try Lab(hosts: 1)
        try lab.registry.configure(Lab.vxlan)
        let (bin, conf) = (Executables.directory, "\(Golden.directory)/../conf")
        // The file names the places of a real host, so these are covered.
        let script = """
            mount -t tmpfs t /run && mount -t tmpfs t /var/lib && export CNI_PATH=\(bin) NETCONFPATH=\(conf) || exit 8
            \(bin)/cnictl status overlay-etcd 2>&1 | grep -q 'no subnet of overlay-etcd yet' || exit 9
            \(bin)/overlayd --config \(conf)/21-vxlan-etcd.conflist --endpoints \(lab.registry.endpoints[0]) --once &&
            \(bin)/cnictl status overlay-etcd && cat /run/flannel/subnet.env
            """
        let text = try Registry.run("unshare", ["-m", "sh", "-c", script], in: lab.hosts[0].space)
        #expect(text.contains("FLANNEL_MTU=1450"), "\(text)")
    }
}
