// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// Keys that want what another host's key has: the one that was there before keeps it.
@Suite(
    "overlayd: conflicts",
    .ownNetworkNamespace,
    .enabled(if: Programs.path("etcd") != nil, "needs etcd-server and etcd-client")
)
struct ConflictTests {
    private func count(_ text: String, _ host: LabHost) -> Int { host.log.components(separatedBy: text).count - 1 }

    /// A host whose daemon knows two others.
    private func labWithTwoOthers() throws -> Lab {
        let lab = try Lab(hosts: 1)
        try lab.registry.configure(Lab.vxlan)
        try lab.registry.put("subnets/10.5.80.0-24", Registry.value("192.168.9.80", mac: "02:00:00:00:00:80"))
        try lab.registry.put("subnets/10.5.86.0-24", Registry.value("192.168.9.86", mac: "02:00:00:00:00:86"))
        try lab.hosts[0].start()
        #expect(try eventually { try lab.hosts[0].ways().count == 2 }, "\(lab.logs)")
        return lab
    }

    /// Puts a key that nobody is to notice, and another one behind it that is waited for.
    private func put(_ key: String, _ value: String, _ number: Int, _ lab: Lab) throws {
        let mac = String(format: "02:00:00:00:01:%02x", number)
        try lab.registry.put("subnets/\(key)", value)
        try lab.registry.put("subnets/10.5.\(number).0-24", Registry.value("192.168.9.\(number)", mac: mac))
        let host = lab.hosts[0]
        #expect(try eventually { try host.ways().contains("10.5.\(number).0/24") }, "\(host.log)")
    }

    /// What leads to a host.
    private func entries(_ host: LabHost, _ number: Int) throws -> [Substring] {
        try host.entries().split(separator: "\n").filter {
            $0.contains("10.5.\(number).") || $0.contains("192.168.9.\(number) ") || $0.contains(":00:\(number) ")
        }
    }

    @Test(arguments: ["10.5.80.0-25", "10.5.80.128-25", "10.5.80.0-22"])
    func aSubnetIsThatOfTheOlderKey(newer: String) throws {
        let lab = try labWithTwoOthers()
        let host = lab.hosts[0]
        let before = try entries(host, 80)
        #expect(before.count == 3)
        let value = Registry.value("192.168.9.81", mac: "02:00:00:00:00:81")
        try put(newer, value, 90, lab)
        #expect(try entries(host, 80) == before, "\(host.log)")
        #expect(try !host.entries().contains("192.168.9.81"))
        #expect(count("no way to \(newer): overlaps 10.5.80.0-24, ", host) == 1, "\(host.log)")
        // Whoever writes its value anew does not become younger, whatever else changes in it, and nobody older.
        let other = Registry.value("192.168.9.83", mac: "02:00:00:00:00:80")
        try lab.registry.put("subnets/10.5.80.0-24", other)
        try put(newer, value, 91, lab)
        #expect(try entries(host, 80).count == 3 && host.entries().contains("dst 192.168.9.83 self"), "\(host.log)")
        #expect(try !host.entries().contains("192.168.9.81"))
        // The list says the same as the changes.
        #expect(host.end(SIGTERM)?.exitCode == 0)
        try host.run("ip link delete vxlan.1")
        try host.start()
        #expect(try eventually { try host.ways().count == 4 }, "\(host.log)")
        #expect(try entries(host, 80).count == 3 && !host.entries().contains("192.168.9.81"), "\(host.log)")
        #expect(count("no way to \(newer): ", host) == 2, "\(host.log)")
        // Once the older one goes, its subnet is free.
        try lab.registry.delete("subnets/10.5.80.0-24")
        let network = newer.replacingOccurrences(of: "-", with: "/")
        #expect(try eventually { try host.ways().contains(network) }, "\(host.log)")
        #expect(try host.entries().contains("dst 192.168.9.81 self"))
        #expect(try !host.entries().contains("192.168.9.83"))
    }

    @Test func anEndOfTheTunnelIsThatOfTheOlderKey() throws {
        let lab = try labWithTwoOthers()
        let host = lab.hosts[0]
        let before = try host.entries()
        try put("10.5.60.0-24", Registry.value("192.168.9.77", mac: "02:00:00:00:00:86"), 90, lab)
        #expect(try entries(host, 86) == before.split(separator: "\n").filter { $0.contains("86") }, "\(host.log)")
        #expect(count("no way to 10.5.60.0-24: 02:00:00:00:00:86 is that of 10.5.86.0-24, ", host) == 1, "\(host.log)")
        #expect(try !host.ways().contains("10.5.60.0/24"))
        // This host's own one is nobody else's, however old.
        let words = try host.run("ip -o link show vxlan.1").split(separator: " ")
        let own = String(words[try #require(words.firstIndex(of: "link/ether")) + 1])
        try put("10.5.61.0-24", Registry.value("192.168.9.78", mac: own), 91, lab)
        #expect(count("no way to 10.5.61.0-24: \(own) is that of this host", host) == 1, "\(host.log)")
        #expect(try !host.entries().contains("192.168.9.78"))
        // One host may have two subnets for a while.
        try lab.registry.put("subnets/10.5.62.0-24", Registry.value("192.168.9.86", mac: "02:00:00:00:00:86"))
        #expect(try eventually { try host.ways().contains("10.5.62.0/24") }, "\(host.log)")
        try lab.registry.delete("subnets/10.5.86.0-24")
        #expect(try eventually { try !host.ways().contains("10.5.86.0/24") }, "\(host.log)")
        try lab.registry.delete("subnets/10.5.62.0-24")
        #expect(try eventually { try host.ways().contains("10.5.60.0/24") }, "\(host.log)")
        #expect(try host.entries().contains("02:00:00:00:00:86 dst 192.168.9.77 self"))
        // It gets an address of its own, and then somebody older takes that.
        try put("10.5.60.0-24", Registry.value("192.168.9.77", mac: "02:00:00:00:00:77"), 92, lab)
        #expect(try host.entries().contains("02:00:00:00:00:77 dst 192.168.9.77 self"), "\(host.log)")
        try lab.registry.put("subnets/10.5.80.0-24", Registry.value("192.168.9.80", mac: "02:00:00:00:00:77"))
        #expect(try eventually { try !host.ways().contains("10.5.60.0/24") }, "\(host.log)")
        #expect(try host.entries().contains("02:00:00:00:00:77 dst 192.168.9.80 self"), "\(host.log)")
        #expect(try !host.entries().contains("192.168.9.77"))
    }

    @Test func nobodyForgesALineOfTheLog() throws {
        let lab = try Lab(hosts: 1)
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        let (line, colour) = ("x\noverlayd: all is lost", #"\u001b[31m\u009b31m\u007f\u00e9"#)
        try lab.registry.put("subnets/\(line)", Registry.value("192.168.9.80", mac: "02:00:00:00:00:80"))
        let value = Registry.value("192.168.9.81", mac: "02:00:00:00:00:81")
        try lab.registry.put("subnets/10.5.81.0-24", value.replacingOccurrences(of: "vxlan", with: colour))
        try host.start()
        #expect(eventually { count("no way to ", host) == 2 }, "\(host.log)")
        #expect(host.log.contains(#"no way to x\x0aoverlayd: all is lost: "#), "\(host.log)")
        #expect(host.log.contains(#"takes part by \x1b[31m\x9b31m\x7f"# + "\u{e9},"), "\(host.log)")
    }
}
