// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// What the plugin says while the daemon's last word is missing, fresh, or too old.
@Suite(
    "vxlan: readiness",
    .ownNetworkNamespace,
    .enabled(if: Programs.path("etcd") != nil, "needs etcd-server and etcd-client")
)
struct ReadinessTests {
    private func expect(
        _ host: LabHost,
        status: Int,
        _ text: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        for (command, code) in [("STATUS", status), ("ADD", 11)] {
            let outcome = try host.plugin(command)
            let said = outcome.stdoutText
            #expect(
                outcome.exitCode == 1 && said.contains("\"code\": \(code),") && said.contains(text)
                    && said.contains("overlayd"),
                "\(command): \(said)",
                sourceLocation: sourceLocation
            )
        }
    }

    @Test func withoutASubnetContainersWait() throws {
        // Long enough that a busy machine renews it in time.
        let lab = try Lab(hosts: 1, keys: ["leaseTTL": "10s"])
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        try expect(host, status: 50, "no subnet of overlay yet")
        try host.start()
        #expect(try eventually { try host.plugin("STATUS").exitCode == 0 })
        // Longer than a word lasts: there are new ones.
        sleep(12)
        #expect(try host.plugin("ADD").exitCode == 0)
        #expect(try host.plugin("DEL").exitCode == 0)
        host.end(SIGKILL)
        #expect(try eventually { try host.plugin("STATUS").exitCode == 1 })
        try expect(host, status: 51, "has expired")
        // What is there can be taken away all the same.
        #expect(try host.plugin("DEL").exitCode == 0)
    }

    /// The daemon's own file with other numbers than it wrote.
    private func expectAfter(
        _ host: LabHost,
        uptime: Int = 0,
        time: Int = 0,
        boot: String? = nil,
        status: Int,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let text = try host.text("run/overlay.json")
        defer { try? host.write(text, to: "run/overlay.json") }
        var object = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        var heard = try #require(object["heard"] as? [String: Any])
        let (then, day) = (try #require(heard["uptime"] as? Int), try #require(heard["time"] as? Int))
        (heard["uptime"], heard["time"]) = (max(0, then + uptime), day + time)
        if let boot { heard["boot"] = boot }
        object["heard"] = heard
        let data = try JSONSerialization.data(withJSONObject: object)
        try host.write(String(decoding: data, as: UTF8.self), to: "run/overlay.json")
        let outcome = try host.plugin("STATUS")
        #expect(
            status == 0 ? outcome.exitCode == 0 : outcome.stdoutText.contains("\"code\": \(status),"),
            "\(outcome.stdoutText)",
            sourceLocation: sourceLocation
        )
    }

    @Test func theTimeOfDayDoesNotMatter() throws {
        let lab = try Lab(hosts: 1, keys: ["leaseTTL": "60s"])
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        // Before that no word of this start of the machine can be as old as is claimed here.
        try #require(eventually(90) { ProcessInfo.processInfo.systemUptime > 62 })
        #expect(try host.call("--once").exitCode == 0)
        try expectAfter(host, status: 0)
        // As after somebody has set the clock by a day, in either direction.
        for day in [-86_400, 86_400] { try expectAfter(host, time: day, status: 0) }
        // The word really is that old, whatever the time of day is.
        try expectAfter(host, uptime: -61, status: 51)
        try expectAfter(host, uptime: -61, time: 86_400, status: 51)
        try expectAfter(host, uptime: -30, status: 0)
        // Of an earlier start of the host only the time of day tells.
        try expectAfter(host, uptime: -61, boot: "another", status: 0)
        try expectAfter(host, time: -61, boot: "another", status: 51)
    }

    @Test func aSubnetWithoutALeaseIsNeverTooOld() throws {
        let lab = try Lab(hosts: 1, keys: ["leaseTTL": "3s"])
        try lab.registry.configure(Lab.vxlan)
        try lab.registry.put("subnets/10.5.42.0-24", #"{"PublicIP":"192.168.9.1"}"#)
        let host = lab.hosts[0]
        #expect(try host.call("--once").exitCode == 0)
        try expectAfter(host, uptime: -1_000_000, status: 0)
    }

    @Test(.tags(.fillsNeighbourTable)) func aFullTableOfNeighboursIsSaid() throws {
        let lab = try Lab(hosts: 1)
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        #expect(try host.call("--once").exitCode == 0)
        // One limit holds for all namespaces, so it is not touched; the table is filled up to where there is room for others.
        func number(_ word: String) throws -> Int {
            let shown = try host.run("ip -s ntable show name arp_cache").split { " \n".contains($0) }
            let place = try #require(shown.firstIndex { $0 == word })
            return try #require(Int(shown[place + 1]))
        }
        let limit = try number("thresh3")
        try #require(limit <= 65536, "the table has room for \(limit): filling it would take too long")
        #expect(try host.plugin("STATUS").exitCode == 0)
        try host.run("ip route add 192.168.0.0/16 dev eth0")
        // When somebody else needs an entry, the kernel drops those that are older than five seconds.
        var said = ""
        let isSaid = try eventually {
            let own = try host.run("ip neigh show dev eth0").split(separator: "\n").count
            let free = try limit * 95 / 100 - (number("entries") - own)
            try makeNeighbours(max(0, free), "dev eth0 nud reachable", in: host.space)
            said = try host.plugin("STATUS").stdoutText
            return said.contains("\"code\": 51,") && said.contains("gc_thresh3")
        }
        #expect(isSaid, "\(said)")
        try host.run("ip neigh flush dev eth0")
        #expect(try eventually { try host.plugin("STATUS").exitCode == 0 })
        // What somebody else keeps for good takes no room from others.
        try makeNeighbours(limit * 2, "dev br0 nud permanent", in: lab.wire)
        #expect(try host.plugin("STATUS").exitCode == 0)
    }

    private func makeNeighbours(_ count: Int, _ rest: String, in space: ContainerNamespace) throws {
        let lines = (0..<count).map { number in
            "neigh replace 192.\(168 + number / 62_500).\(number / 250 % 250).\(1 + number % 250) lladdr 02:00:00:00:00:01 \(rest)"
        }
        var batch = PluginProcess(try #require(Programs.path("ip")), arguments: ["-batch", "-"])
        batch.input = .bytes(Array(lines.joined(separator: "\n").utf8))
        let outcome = try batch.run(in: space.namespace)
        if outcome.exitCode != 0 { throw ProgramTrouble(description: outcome.stderrText) }
    }

    @Test(.tags(.fillsNeighbourTable)) func manyHostsFillNoTable() throws {
        let lab = try Lab(hosts: 1)
        try lab.registry.configure(#"{"Network":"10.0.0.0/8","Backend":{"Type":"vxlan","VNI":1}}"#)
        let host = lab.hosts[0]
        try lab.registry.putHosts(0..<1500)
        try host.start()
        #expect(try eventually(60) { try host.ways().count == 1500 }, "\(host.log)")
        #expect(try eventually { try host.plugin("STATUS").exitCode == 0 }, "\(host.log)")
    }

    @Test func withoutTheDaemonAMissingTunnelIsSaid() throws {
        let lab = try Lab(hosts: 1, plugin: ["ipMasq": true])
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        #expect(try host.call("--once").exitCode == 0)
        try host.attach()
        let rules = try host.run("nft list ruleset")
        try host.run("ip link delete vxlan.1")
        let status = try host.plugin("STATUS").stdoutText
        let isSaid = status.contains("\"code\": 50,") && status.contains("vxlan.1 is missing")
        #expect(isSaid && status.contains("overlayd makes it"), "\(status)")
        var reconcile = PluginProcess(Executables.path("vxlan"), arguments: ["reconcile"])
        reconcile.input = .bytes(Array(try host.text("net.conf").utf8))
        let outcome = try reconcile.run(in: host.space.namespace)
        #expect(outcome.exitCode == 1 && outcome.stderrText.contains("overlayd makes it"), "\(outcome)")
        // What leads into the tunnel is not to bear the host's address once it is there again.
        #expect(try host.run("nft list ruleset") == rules)
    }

    @Test(arguments: ["down", "mtu 1300"]) func aTunnelThatIsNotAsItWasWaitsForTheDaemon(
        change: String
    ) throws {
        let lab = try Lab(hosts: 1)
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        try host.start()
        #expect(try eventually { try host.plugin("STATUS").exitCode == 0 })
        host.daemon?.send(SIGSTOP)
        try host.run("ip link set vxlan.1 \(change)")
        let outcome = try host.plugin("ADD")
        let said = outcome.stdoutText
        #expect(said.contains("\"code\": 11,") && said.contains("vxlan.1") && said.contains("overlayd"), "\(said)")
        host.daemon?.send(SIGCONT)
        #expect(try eventually { try host.plugin("ADD").exitCode == 0 })
    }
}
