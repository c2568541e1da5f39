// SPDX-License-Identifier: Apache-2.0

import Etcd
import Foundation
import JSON
import Support
import Testing

/// What goes on while daemons, members of etcd and hosts come and go.
@Suite(
    "overlayd: outages",
    .ownNetworkNamespace,
    .enabled(if: Programs.path("etcd") != nil, "needs etcd-server and etcd-client")
)
struct OutageTests {
    private static let foreign = "subnets/10.5.77.0-24"
    private static let value = Registry.value("192.168.9.77", mac: "c6:d2:32:6f:8f:44")

    private func attached(members: Int = 1, keys: [String: JSON] = [:]) throws -> Lab {
        let lab = try Lab(members: members, keys: keys)
        try lab.registry.configure(Lab.vxlan)
        try lab.startAll()
        try lab.attachAll()
        return lab
    }

    @Test(arguments: [SIGKILL, SIGTERM], [true, false])
    func aDaemonThatEndsLeavesAllAndFindsItsSubnetAgain(signal: CInt, remembers: Bool) throws {
        let lab = try attached()
        let host = lab.hosts[0]
        let established = try #require(try lab.connect(0, 1))
        let before = try host.entries()
        let hosts = try lab.registry.hosts()
        let outcome = host.end(signal)
        #expect(outcome?.exitCode == (signal == SIGTERM ? 0 : nil))
        #expect(try host.entries() == before)
        #expect(established.goesOn())
        if !remembers { try host.remove("state") }
        try host.start()
        #expect(eventually { host.log.components(separatedBy: "this host has").count == 3 }, "\(host.log)")
        #expect(try lab.registry.hosts() == hosts)
        #expect(try host.entries() == before)
        #expect(established.goesOn())
    }

    @Test func etcdIsAwayForAWhile() throws {
        let lab = try attached()
        let host = lab.hosts[0]
        let established = try #require(try lab.connect(0, 1))
        let before = try host.entries()
        lab.registry.kill(0)
        #expect(eventually { host.log.contains("etcd: ") })
        #expect(try host.entries() == before)
        #expect(established.goesOn())
        #expect(try lab.reaches(2, 1))
        // The lease holds for a day, so containers come and go meanwhile.
        #expect(try host.plugin("STATUS").exitCode == 0)
        // The tunnel does not need etcd to come back.
        try host.run("ip link delete vxlan.1")
        #expect(try eventually { try host.entries() == before }, "\(host.log)")
        #expect(established.goesOn())
        try lab.registry.start(0)
        #expect(eventually { host.log.contains("all is well again") }, "\(host.log)")
        try lab.registry.put(Self.foreign, Self.value)
        #expect(try eventually { try host.ways().contains("10.5.77.0/24") })
        #expect(established.goesOn())
    }

    @Test(arguments: [false, true]) func oneMemberOfThreeFails(isOnlyStalled: Bool) throws {
        let lab = try attached(members: 3)
        let established = try #require(try lab.connect(0, 1))
        // Whichever member a daemon was at, once it is that one.
        for member in 0..<3 {
            if isOnlyStalled { lab.registry.pause(member) } else { lab.registry.kill(member) }
            // The others choose a leader first, and until then nobody can register.
            let value = Registry.value("192.168.9.8\(member)", mac: "c6:d2:32:6f:8f:8\(member)")
            try lab.registry.put("subnets/10.5.8\(member).0-24", value)
            for host in lab.hosts {
                #expect(
                    try eventually { try host.ways().contains("10.5.8\(member).0/24") },
                    "\(host.log)"
                )
            }
            #expect(established.goesOn())
            if isOnlyStalled { lab.registry.pause(member, false) } else { try lab.registry.start(member) }
            try lab.registry.type(["endpoint", "health"], untilItWorks: true)
        }
        for host in lab.hosts { #expect(try host.ways().count == 5, "\(host.log)") }
    }

    @Test func historyGoesWhileNobodyListens() throws {
        let lab = try Lab(hosts: 1)
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        try lab.registry.put(Self.foreign, Self.value)
        try lab.registry.put("subnets/10.5.78.0-24", Registry.value("192.168.9.78", mac: "c6:d2:32:6f:8f:78"))
        try host.start()
        #expect(try eventually { try host.ways().count == 2 })
        host.daemon?.send(SIGSTOP)
        try lab.registry.delete(Self.foreign)
        try lab.registry.put("subnets/10.5.78.0-24", Registry.value("192.168.9.88", mac: "c6:d2:32:6f:8f:88"))
        for number in 0..<10 {
            try lab.registry.put(
                "subnets/10.5.79.0-24",
                Registry.value("192.168.9.7\(number)", mac: "c6:d2:32:6f:8f:79")
            )
        }
        let status = try lab.registry.type(["endpoint", "status", "-w", "json"])
        let revision = try #require(
            status.components(separatedBy: #""revision":"#).dropFirst().first?.prefix { $0.isNumber }
        )
        try lab.registry.type(["compact", String(revision)])
        lab.registry.kill(0)
        try lab.registry.start(0)
        host.daemon?.send(SIGCONT)
        #expect(try eventually { try host.ways().sorted() == ["10.5.78.0/24", "10.5.79.0/24"] }, "\(host.log)")
        let entries = try host.entries()
        #expect(entries.contains("c6:d2:32:6f:8f:88 dst 192.168.9.88 self"))
        #expect(entries.contains("c6:d2:32:6f:8f:79 dst 192.168.9.79 self"))
        #expect(entries.split(separator: "\n").count == 6, "\(entries)")
    }

    @Test func aWatchFromBeforeACompactionSaysSo() throws {
        let lab = try Lab(hosts: 1)
        for number in 0..<5 { try lab.registry.put("config", "\(number)") }
        try lab.registry.type(["compact", "5"])
        let node = ConfigNode(["endpoints": .array(lab.registry.endpoints.map { .string($0) })])
        let settings = try EtcdSettings(node)
        try lab.wire.inside {
            var client = try EtcdClient(settings, signals: -1, start: 0)
            try client.watch(prefix: Registry.prefix, from: 2)
            var failure: EtcdError?
            for _ in 0..<20 where failure == nil {
                _ = client.wait(-1, limitMilliseconds: 100)
                do throws(EtcdError) { _ = try client.events() } catch { failure = error }
            }
            #expect(failure?.kind == .compacted, "\(failure?.description ?? "nothing was said")")
        }
    }

    @Test func aHostLeavesAndComesBackWithAnotherAddress() throws {
        let lab = try attached()
        let (first, second) = (lab.hosts[0], lab.hosts[1])
        let established = try #require(try lab.connect(0, 2))
        let key = try #require(try lab.registry.key(of: "192.168.9.2"))
        #expect(second.end(SIGTERM)?.exitCode == 0)
        #expect(try lab.registry.hosts()[key] != nil, "the lease is kept")
        let outcome = try second.call("--revoke")
        #expect(outcome.exitCode == 0, "\(outcome.stderrText)")
        #expect(try lab.registry.hosts()[key] == nil)
        #expect(try eventually { try first.ways().count == 1 && !first.entries().contains("192.168.9.2 ") })
        #expect(try second.run("ip -o link show type vxlan") == "")
        #expect(try second.ways() == [])
        #expect(throws: (any Error).self) { try second.text("run/overlay.json") }
        #expect(throws: (any Error).self) { try second.text("subnet.env") }
        #expect(try second.plugin("DEL").exitCode == 0)
        try second.run("ip address delete 192.168.9.2/24 dev eth0")
        try second.run("ip address add 192.168.9.22/24 dev eth0")
        try second.start()
        #expect(try eventually { try first.entries().contains("dst 192.168.9.22 self") }, "\(second.log)")
        // Its own plugin learns of it a moment later than the others.
        #expect(eventually { second.isReady }, "\(second.log)")
        try second.attach()
        for host in lab.hosts { #expect(try eventually { try host.ways().count == 2 }, "\(host.log)") }
        #expect(try lab.reaches(0, 1))
        #expect(try lab.reaches(1, 2))
        #expect(established.goesOn())
    }

    @Test func aHostThatMovesKeepsItsSubnetAndItsContainers() throws {
        let lab = try attached()
        let (first, second) = (lab.hosts[0], lab.hosts[1])
        let key = try #require(try lab.registry.key(of: "192.168.9.2"))
        let established = try #require(try lab.connect(0, 1))
        try second.run("ip address add 192.168.9.22/24 dev eth0")
        try second.run("ip address delete 192.168.9.2/24 dev eth0")
        try second.run("ip address replace 192.168.9.22/24 dev eth0")
        #expect(try eventually { try lab.registry.key(of: "192.168.9.22") == key }, "\(second.log)")
        let moved = try eventually {
            let entries = try first.entries()
            return entries.contains("dst 192.168.9.22 self") && !entries.contains("dst 192.168.9.2 ")
        }
        #expect(moved, "\(first.log)")
        #expect(established.goesOn())
        #expect(try lab.reaches(0, 1))
    }

    @Test func aLostLeaseIsTakenAgain() throws {
        // Long enough that a busy machine renews it in time.
        let lab = try Lab(hosts: 1, keys: ["leaseTTL": "10s"])
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        try host.start()
        #expect(try eventually { try lab.registry.key(of: "192.168.9.1") != nil })
        let key = try #require(try lab.registry.key(of: "192.168.9.1"))
        let lease = try lab.registry.lease(of: key)
        // It is renewed all the time.
        sleep(12)
        #expect(try lab.registry.lease(of: key) == lease)
        try lab.registry.type(["lease", "revoke", String(lease, radix: 16)])
        #expect(try eventually { try lab.registry.key(of: "192.168.9.1") == key }, "\(host.log)")
        #expect(try lab.registry.lease(of: key) != lease)
        // The lease is good, but somebody removes the key.
        try lab.registry.delete("subnets/\(key)")
        #expect(try eventually { try lab.registry.hosts()[key] != nil }, "\(host.log)")
        // While it is away somebody else takes the subnet.
        host.daemon?.send(SIGSTOP)
        #expect(try eventually(60) { try lab.registry.hosts()[key] == nil })
        try lab.registry.put("subnets/\(key)", Registry.value("192.168.9.99", mac: "c6:d2:32:6f:8f:99"))
        host.daemon?.send(SIGCONT)
        #expect(
            try eventually { try lab.registry.key(of: "192.168.9.1").map { $0 != key } ?? false },
            "\(host.log)"
        )
        let network = key.replacingOccurrences(of: "-", with: "/")
        #expect(try eventually { try host.ways() == [network] }, "\(host.log)")
    }

    @Test func aSubnetThatWasSetAsideStaysWithoutALease() throws {
        let lab = try Lab(hosts: 1, keys: ["leaseTTL": "3s"])
        try lab.registry.configure(Lab.vxlan)
        try lab.registry.put("subnets/10.5.42.0-24", #"{"PublicIP":"192.168.9.1"}"#)
        let host = lab.hosts[0]
        #expect(try host.call("--once").exitCode == 0)
        #expect(try lab.registry.key(of: "192.168.9.1") == "10.5.42.0-24")
        #expect(try lab.registry.lease(of: "10.5.42.0-24") == 0)
        #expect(try lab.registry.hosts()["10.5.42.0-24"]?.contains("VtepMAC") == true)
        #expect(try !host.text("run/overlay.json").contains("lasts"))
    }

    @Test func twoDaemonsOfOneNetworkAreOneTooMany() throws {
        let lab = try Lab(hosts: 1)
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        try host.start()
        #expect(eventually { host.log.contains("this host has") })
        let outcome = try host.call("--once")
        #expect(outcome.exitCode == 1 && outcome.stderrText.contains("another overlayd"), "\(outcome.stderrText)")
    }

    @Test(arguments: ["host-gw", "vxlan"]) func theNetworkChanges(backend: String) throws {
        let lab = try attached()
        try lab.registry.configure(#"{"Network":"10.7.0.0/16","Backend":{"Type":"\#(backend)"}}"#)
        #expect(
            try eventually {
                try lab.hosts.allSatisfy { try $0.ways().filter { $0.hasPrefix("10.7.") }.count == 2 }
            },
            "\(lab.logs)"
        )
        for host in lab.hosts {
            #expect(try host.run("ip -o link show type vxlan").isEmpty == (backend == "host-gw"))
            #expect(try eventually { try host.ways().count == 2 }, "\(host.log)")
        }
        #expect(try lab.registry.hosts().keys.allSatisfy { $0.hasPrefix("10.7.") })
        // Nothing of the old network is left.
        for host in lab.hosts where backend == "vxlan" {
            #expect(try eventually { try host.entries().split(separator: "\n").count == 6 }, "\(host.log)")
            #expect(try !host.run("ip -o address show dev vxlan.1").contains("10.5."))
        }
    }
}
