// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// What somebody else does to a host while the daemon waits; the next comparison of everything is minutes away.
@Suite(
    "overlayd: repairs",
    .ownNetworkNamespace,
    .enabled(if: Programs.path("etcd") != nil, "needs etcd-server and etcd-client")
)
struct RepairTests {
    /// Lets pass what the daemon's own start set off, because the comparison that follows it would hide that nothing else does.
    ///
    /// The last of that are the addresses of IPv6 that the kernel gives to new interfaces.
    private func settle() { sleep(3) }

    @Test(arguments: [
        Lab.vxlan, #"{"Network":"10.5.0.0/16","Backend":{"Type":"host-gw"}}"#,
        #"{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","VNI":1,"DirectRouting":true}}"#,
    ])
    func aRouteThatIsRemovedComesBack(configuration: String) throws {
        let lab = try Lab(hosts: 2)
        try lab.registry.configure(configuration)
        try lab.startAll()
        let host = lab.hosts[0]
        settle()
        let before = try host.run("ip route show proto 92")
        try host.run("ip route flush proto 92")
        #expect(try eventually { try host.run("ip route show proto 92") == before }, "\(host.log)")
    }

    @Test(arguments: [
        "bridge fdb del MAC dev vxlan.1", "bridge fdb replace MAC dev vxlan.1 dst 192.168.9.99",
        "bridge fdb add 02:00:00:00:00:99 dev vxlan.1 dst 192.168.9.99", "ip neigh del GATEWAY dev vxlan.1",
        "ip neigh replace GATEWAY lladdr 02:00:00:00:00:99 dev vxlan.1 nud permanent",
        "ip neigh replace GATEWAY lladdr 02:00:00:00:00:99 dev vxlan.1 nud reachable",
    ])
    func whatLeadsThroughTheTunnelComesBack(line: String) throws {
        let lab = try Lab(hosts: 2)
        try lab.registry.configure(Lab.vxlan)
        try lab.startAll()
        let host = lab.hosts[0]
        settle()
        let before = try host.entries()
        let words = try lab.hosts[1].run("ip -o link show vxlan.1").split(separator: " ")
        let mac = String(words[try #require(words.firstIndex(of: "link/ether")) + 1])
        let gateway = String(try #require(try host.ways().first?.split(separator: "/").first))
        let log = host.log
        try host.run(line.replacingOccurrences(of: "MAC", with: mac).replacingOccurrences(of: "GATEWAY", with: gateway))
        #expect(try eventually(10) { try host.log != log && host.entries() == before }, "\(host.log)")
        #expect(
            host.log.components(separatedBy: " corrected").count == log.components(separatedBy: " corrected").count + 1
        )
    }

    @Test func whatTheDaemonDoesItselfIsNoDamage() throws {
        let lab = try Lab(hosts: 1)
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        try host.start(["--trace", "stderr"])
        #expect(eventually { host.isReady }, "\(host.log)")
        settle()
        // It looks at all routes whenever it compares.
        let comparisons = { host.log.components(separatedBy: "list the routes").count }
        let before = comparisons()
        for (number, mac) in [(1, "01"), (2, "01"), (2, "02"), (3, "03")] {
            try lab.registry.put(
                "subnets/10.5.80.0-24",
                Registry.value("192.168.9.8\(number)", mac: "02:00:00:00:00:\(mac)")
            )
            #expect(try eventually { try host.entries().contains("02:00:00:00:00:\(mac) dst 192.168.9.8\(number) ") })
        }
        try lab.registry.delete("subnets/10.5.80.0-24")
        #expect(try eventually { try host.entries() == "" }, "\(host.log)")
        sleep(1)
        #expect(comparisons() == before, "\(host.log)")
        try host.run("ip address add 192.168.9.50/24 dev eth0")
        #expect(eventually { comparisons() > before }, "\(host.log)")
    }

    /// A host that reaches etcd with an address of another interface, so that no connection tells of those of this one.
    private func hostWithEtcdElsewhere(_ lab: Lab, _ address: String) throws -> LabHost {
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        for line in [
            "ip address delete 192.168.9.1/24 dev eth0", "ip address add 10.99.0.1/32 dev lo",
            "ip route add 192.168.9.0/24 dev eth0 src 10.99.0.1", "ip address add \(address)",
        ] {
            try host.run(line)
        }
        try Registry.run("ip", ["route", "add", "10.99.0.1", "dev", "br0"], in: lab.wire)
        try host.start()
        return host
    }

    @Test func anAddressThatIsReplacedIsNoticed() throws {
        let lab = try Lab(hosts: 1)
        let host = try hostWithEtcdElsewhere(lab, "192.168.8.1/24 dev eth0")
        #expect(try eventually { try lab.registry.key(of: "192.168.8.1") != nil }, "\(host.log)")
        settle()
        try host.run("ip address add 192.168.7.1/24 dev eth0")
        try host.run("ip address delete 192.168.8.1/24 dev eth0")
        #expect(try eventually { try lab.registry.key(of: "192.168.7.1") != nil }, "\(host.log)")
    }

    @Test func anIPv6AddressStaysWhenNewerOnesCome() throws {
        let lab = try Lab(hosts: 1)
        let host = try hostWithEtcdElsewhere(lab, "fd99::1/64 dev eth0 nodad")
        #expect(try eventually { try lab.registry.key(of: "fd99::1") != nil }, "\(host.log)")
        try host.run("ip address add fd99::2/64 dev eth0 nodad")
        try host.run("ip address add fd99::3/64 dev eth0 nodad valid_lft 3000 preferred_lft 0")
        // That has everything looked at, and is written down.
        try host.run("ip link set eth0 mtu 1470")
        #expect(try eventually { try host.text("run/overlay.json").contains("1400") }, "\(host.log)")
        #expect(try lab.registry.hosts().count == 1)
        #expect(try lab.registry.key(of: "fd99::1") != nil)
        host.end(SIGTERM)
        try host.remove("state")
        try host.start()
        try host.run("ip link set eth0 mtu 1480")
        #expect(try eventually { try host.text("run/overlay.json").contains("1410") }, "\(host.log)")
        #expect(try lab.registry.key(of: "fd99::1") != nil)
        // It goes, and of the others one is soon to go too.
        try host.run("ip address delete fd99::1/64 dev eth0")
        #expect(try eventually { try lab.registry.key(of: "fd99::2") != nil }, "\(host.log)")
    }

    @Test(arguments: ["eth0", "lo"]) func anAddressMayGoToAnotherHost(interface: String) throws {
        let lab = try Lab(hosts: 1)
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        try host.run("ip address add 192.168.9.83/32 dev \(interface)")
        try lab.registry.put("subnets/10.5.83.0-24", Registry.value("192.168.9.83", mac: "02:00:00:00:00:83"))
        try host.start()
        #expect(eventually { host.log.contains("no way to 10.5.83.0-24: it has this host's address") }, "\(host.log)")
        settle()
        try host.run("ip address delete 192.168.9.83/32 dev \(interface)")
        #expect(try eventually { try host.ways() == ["10.5.83.0/24"] }, "\(host.log)")
    }

    @Test(arguments: ["host-gw", "vxlan"]) func aNetworkThatComesBelowIsUsed(backend: String) throws {
        let lab = try Lab(hosts: 1)
        try lab.registry.configure(
            #"{"Network":"10.5.0.0/16","SubnetMax":"10.5.69.0","Backend":{"Type":"\#(backend)","DirectRouting":true}}"#
        )
        let host = lab.hosts[0]
        let value = Registry.value("192.168.7.70", mac: "02:00:00:00:00:70")
        try lab.registry.put("subnets/10.5.70.0-24", value.replacingOccurrences(of: "vxlan", with: backend))
        try host.start()
        #expect(eventually { host.isReady }, "\(host.log)")
        settle()
        #expect(try !host.run("ip route show proto 92").contains("dev eth0"))
        try host.run("ip address add 192.168.7.1/24 dev eth0")
        #expect(
            try eventually {
                try host.run("ip route show proto 92").contains("10.5.70.0/24 via 192.168.7.70 dev eth0")
            },
            "\(host.log)"
        )
    }

    @Test func whatIsDamagedJustAsEtcdHangsComesBack() throws {
        let lab = try Lab(hosts: 1)
        try lab.registry.configure(Lab.vxlan)
        try lab.registry.put("subnets/10.5.80.0-24", Registry.value("192.168.9.80", mac: "02:00:00:00:00:80"))
        let host = lab.hosts[0]
        try host.start()
        #expect(try eventually { try host.ways() == ["10.5.80.0/24"] }, "\(host.log)")
        settle()
        lab.registry.pause(0)
        defer { lab.registry.pause(0, false) }
        // By then the daemon has asked the member whether it lives, and it still waits for the answer.
        usleep(620_000)
        try host.run("ip route flush proto 92")
        #expect(try eventually { try host.ways() == ["10.5.80.0/24"] }, "\(host.log)")
    }

    @Test(arguments: [false, true]) func whoUndoesEverythingCostsLittle(isEtcdAway: Bool) throws {
        let lab = try Lab(hosts: 1)
        try lab.registry.configure(Lab.vxlan)
        try lab.registry.put("subnets/10.5.80.0-24", Registry.value("192.168.9.80", mac: "02:00:00:00:00:80"))
        let host = lab.hosts[0]
        try host.start(["--trace", "stderr"])
        #expect(try eventually { try host.ways() == ["10.5.80.0/24"] }, "\(host.log)")
        settle()
        if isEtcdAway { lab.registry.kill(0) }
        let count = { (text: String) in host.log.components(separatedBy: text).count }
        let (comparisons, lines) = (count("list the routes"), count(" corrected"))
        let script = "end=$(($(date +%s) + 6)); while [ $(date +%s) -lt $end ]; do ip route flush proto 92; done"
        try Registry.run("sh", ["-c", script], in: host.space)
        // Two lists for each comparison.
        #expect(count("list the routes") - comparisons < 60, "\(host.log)")
        #expect(1...8 ~= count(" corrected") - lines, "\(host.log)")
        #expect(try eventually { try host.ways() == ["10.5.80.0/24"] }, "\(host.log)")
    }
}
