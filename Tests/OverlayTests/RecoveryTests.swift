// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Support
import Testing

/// What a host does about what one key, one file or one entry of the kernel stands in the way of.
@Suite(
    "overlayd: recovery",
    .ownNetworkNamespace,
    .enabled(if: Programs.path("etcd") != nil, "needs etcd-server and etcd-client")
)
struct RecoveryTests {
    private static func value(_ address: String) -> String {
        let last = Int(address.split(separator: ".").last ?? "") ?? 0
        return Registry.value(address, mac: String(format: "02:00:00:00:00:%02x", last))
    }

    /// How often the daemon said something.
    private func count(_ text: String, _ host: LabHost) -> Int { host.log.components(separatedBy: text).count - 1 }

    private func ways(_ host: LabHost, to subnet: String) throws -> String {
        try host.run("ip route show \(subnet)").trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @Test func aHostComesBackWhoseSubnetAnotherOneHasNow() throws {
        let lab = try Lab(hosts: 1, keys: ["leaseTTL": "4s"])
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        try lab.startAll()
        try host.attach()
        let lost = try #require(try lab.registry.key(of: "192.168.9.1"))
        let network = lost.replacingOccurrences(of: "-", with: "/")
        host.daemon?.send(SIGSTOP)
        #expect(try eventually(60) { try lab.registry.hosts()[lost] == nil })
        try lab.registry.put("subnets/\(lost)", Self.value("192.168.9.99"))
        host.daemon?.send(SIGCONT)
        // The bridge has the route to the subnet that is the other host's, but everything else goes on.
        #expect(eventually { host.log.contains("no way to \(lost): ") }, "\(host.log)")
        #expect(try eventually { try !host.text("run/overlay.json").contains(network) }, "\(host.log)")
        try lab.registry.put("subnets/10.5.77.0-24", Self.value("192.168.9.77"))
        #expect(try eventually { try host.ways() == ["10.5.77.0/24"] }, "\(host.log)")
        // The last container of the old subnet goes, and the first one of the new one comes.
        #expect(try host.plugin("DEL").exitCode == 0)
        try host.attach()
        #expect(try !host.address().hasPrefix(network.prefix { $0 != "/" }.dropLast()))
        #expect(try eventually { try host.ways().sorted() == ["10.5.77.0/24", network].sorted() }, "\(host.log)")
        #expect(count("no way to \(lost): ", host) == 1, "\(host.log)")
    }

    @Test(arguments: [
        ("host-gw", #"{"Network":"10.5.0.0/16","SubnetMax":"10.5.69.0","Backend":{"Type":"host-gw"}}"#),
        (
            "vxlan",
            #"{"Network":"10.5.0.0/16","SubnetMax":"10.5.69.0","Backend":{"Type":"vxlan","DirectRouting":true}}"#
        ),
    ])
    func oneHostsMistakeCostsTheOthersNothing(backend: String, configuration: String) throws {
        let lab = try Lab(hosts: 1)
        try lab.registry.configure(configuration)
        let host = lab.hosts[0]
        func put(_ number: Int, _ address: String) throws {
            let value = Self.value(address).replacingOccurrences(of: #""vxlan""#, with: #""\#(backend)""#)
            try lab.registry.put("subnets/10.5.\(number).0-24", value)
        }
        try put(70, "192.168.9.70")
        try put(80, "192.168.9.255")
        try put(81, "192.168.9.0")
        // Somebody else's route is in the way of one host, and this host has the address of another one.
        try host.run("ip route add 10.5.82.0/24 via 192.168.9.254")
        try put(82, "192.168.9.82")
        try host.run("ip address add 192.168.9.83/32 dev lo")
        try put(83, "192.168.9.83")
        try host.start()
        #expect(eventually { host.isReady }, "\(host.log)")
        try put(71, "192.168.9.71")
        #expect(try eventually { try host.ways().sorted() == ["10.5.70.0/24", "10.5.71.0/24"] }, "\(host.log)")
        for number in [80, 81, 82, 83] {
            #expect(count("no way to 10.5.\(number).0-24: ", host) == 1, "\(host.log)")
        }
        #expect(try ways(host, to: "10.5.82.0/24") == "10.5.82.0/24 via 192.168.9.254 dev eth0")
        try host.run("ip route delete 10.5.82.0/24 via 192.168.9.254")
        #expect(try eventually { try host.ways().contains("10.5.82.0/24") }, "\(host.log)")
    }

    @Test func somebodyElsesRouteStays() throws {
        let lab = try Lab(hosts: 1)
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        try lab.startAll()
        try host.run("ip link add docker0 type veth peer name other")
        try host.run("ip link set other up")
        try host.run("ip link set docker0 up")
        try host.run("ip address add 10.5.80.1/24 dev docker0")
        let before = try ways(host, to: "10.5.80.0/24")
        try lab.registry.put("subnets/10.5.80.0-24", Self.value("192.168.9.80"))
        #expect(eventually { host.log.contains("no way to 10.5.80.0-24: ") }, "\(host.log)")
        #expect(try ways(host, to: "10.5.80.0/24") == before)
        // It says that it is another machine now.
        try lab.registry.put("subnets/10.5.80.0-24", Self.value("192.168.9.81"))
        #expect(try eventually { try host.entries().contains("dst 192.168.9.81 self") }, "\(host.log)")
        #expect(try ways(host, to: "10.5.80.0/24") == before)
        try lab.registry.delete("subnets/10.5.80.0-24")
        #expect(try eventually { try !host.entries().contains("dst 192.168.9.81 self") }, "\(host.log)")
        #expect(try ways(host, to: "10.5.80.0/24") == before)
        // Without the other route it is a host like all others.
        try host.run("ip link delete docker0")
        try lab.registry.put("subnets/10.5.80.0-24", Self.value("192.168.9.80"))
        #expect(try eventually { try host.ways() == ["10.5.80.0/24"] }, "\(host.log)")
        try lab.registry.put("subnets/10.5.80.0-24", Self.value("192.168.9.81"))
        #expect(try eventually { try host.entries().contains("dst 192.168.9.81 self") }, "\(host.log)")
        #expect(count("no way to 10.5.80.0-24: ", host) == 1, "\(host.log)")
    }

    @Test func aNetworkThatIsAnotherOneIsTakenAwayOnce() throws {
        let lab = try Lab(hosts: 1)
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        try host.start(["--trace", "stderr"])
        #expect(eventually { host.isReady }, "\(host.log)")
        // The name of the next tunnel is taken, so nothing gets any further.
        try host.run("ip link add vxlan.2 type bridge")
        try lab.registry.configure(
            #"{"Network":"10.7.0.0/16","Backend":{"Type":"vxlan","VNI":2}}"#
        )
        #expect(eventually { host.log.contains("vxlan.2 already exists") }, "\(host.log)")
        // What led through the old network goes whenever that is taken away.
        try host.run("ip route add 10.5.99.0/24 via 192.168.9.254 proto 92")
        let lists = count("v3/kv/range", host)
        #expect(eventually { count("v3/kv/range", host) > lists + 2 }, "\(host.log)")
        #expect(try host.ways() == ["10.5.99.0/24"])
    }

    @Test func whatCannotBeRememberedNowIsRememberedLater() throws {
        let lab = try Lab(hosts: 1)
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        // Nothing can be renamed to this.
        try host.write("", to: "state/overlay.json/file")
        try host.start()
        #expect(eventually { host.isReady && host.log.contains("cannot write ") }, "\(host.log)")
        try host.remove("state/overlay.json")
        #expect(eventually { (try? host.text("state/overlay.json")) != nil }, "\(host.log)")
        #expect(count("cannot write ", host) == 1, "\(host.log)")
    }

    @Test func aSubnetIsGivenBackThatNobodyRemembers() throws {
        let lab = try Lab(hosts: 1)
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        #expect(try host.call("--once").exitCode == 0)
        let key = try #require(try lab.registry.key(of: "192.168.9.1"))
        try lab.registry.put("subnets/10.5.77.0-24", Self.value("192.168.9.77"))
        try host.remove("state")
        // Flannel's file is that of another network by now.
        try host.write("FLANNEL_NETWORK=10.7.0.0/16\nFLANNEL_SUBNET=10.7.1.1/24\n", to: "subnet.env")
        let outcome = try host.call("--revoke")
        #expect(outcome.exitCode == 0 && outcome.stderrText.contains("gave \(key) back"), "\(outcome.stderrText)")
        #expect(try lab.registry.hosts().keys.sorted() == ["10.5.77.0-24"])
        #expect(try host.run("ip -o link show type vxlan") == "")
        #expect(!host.isReady)
        #expect(try host.text("subnet.env").contains("10.7.1.1"))
        let again = try host.call("--revoke")
        #expect(again.exitCode == 0 && again.stderrText.contains("nothing to give back"), "\(again.stderrText)")
    }

    @Test(arguments: ["--once", "--revoke"], [SIGTERM, SIGINT])
    func whoeverIsInterruptedHasNotDoneIt(word: String, signal: CInt) throws {
        let lab = try Lab(hosts: 1, keys: ["requestTimeout": "60s"])
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        lab.registry.pause(0)
        defer { lab.registry.pause(0, false) }
        try host.start([word])
        // It is made once signals are held back.
        #expect(eventually { (try? host.text("state/overlay.lock")) != nil })
        #expect(host.end(signal)?.exitCode == 1)
        #expect(host.log.contains("told to end"), "\(host.log)")
    }

    @Test func theSubnetIsKeptWhileTheConfigurationIsWrong() throws {
        let lab = try Lab(hosts: 1, keys: ["leaseTTL": "6s"])
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        try lab.startAll()
        let key = try #require(try lab.registry.key(of: "192.168.9.1"))
        let lease = try lab.registry.lease(of: key)
        for configuration in ["{", nil] {
            if let configuration {
                try lab.registry.configure(configuration)
            } else {
                try lab.registry.delete("config")
            }
            for _ in 0..<3 {
                let before = try host.text("run/overlay.json")
                #expect(try eventually { try host.text("run/overlay.json") != before }, "\(host.log)")
            }
        }
        #expect(try lab.registry.lease(of: key) == lease)
        #expect(try host.plugin("STATUS").exitCode == 0)
        // A daemon that is started anew meanwhile knows of the subnet from its memory only.
        host.end(SIGKILL)
        try host.start()
        sleep(8)
        #expect(try lab.registry.key(of: "192.168.9.1") == key, "\(host.log)")
        try lab.registry.configure(Lab.vxlan)
        #expect(eventually { host.log.contains("all is well again") }, "\(host.log)")
        #expect(try lab.registry.lease(of: key) == lease)
    }

    @Test func theSubnetIsKeptWhileTheTunnelCannotBeMade() throws {
        let lab = try Lab(hosts: 1, keys: ["leaseTTL": "6s"])
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        try lab.startAll()
        try host.run("ip link add vxlan.2 type bridge")
        try lab.registry.configure(Lab.vxlan.replacingOccurrences(of: #""VNI":1"#, with: #""VNI":2"#))
        #expect(eventually { host.log.contains("vxlan.2 already exists") }, "\(host.log)")
        for _ in 0..<3 {
            let before = try host.text("run/overlay.json")
            #expect(try eventually { try host.text("run/overlay.json") != before }, "\(host.log)")
        }
        // The subnet of another network is another one, and no container is to get an address of the old one.
        try lab.registry.configure(#"{"Network":"10.7.0.0/16","Backend":{"Type":"vxlan","VNI":2}}"#)
        #expect(eventually { !host.isReady }, "\(host.log)")
        #expect(try host.plugin("ADD").exitCode == 1)
        try host.run("ip link delete vxlan.2")
        #expect(eventually { (try? host.text("run/overlay.json").contains("10.7.")) ?? false }, "\(host.log)")
        try host.attach()
        #expect(try host.address().hasPrefix("10.7."))
    }

    @Test func aCopyOfAHostTakesASubnetOfItsOwn() throws {
        let lab = try Lab(hosts: 2, keys: ["resync": "1s"])
        try lab.registry.configure(Lab.vxlan)
        let (first, second) = (lab.hosts[0], lab.hosts[1])
        try first.start()
        #expect(eventually { (try? first.text("state/overlay.json")) != nil && first.isReady })
        let key = try #require(try lab.registry.key(of: "192.168.9.1"))
        // Both have the identifier of one start, as containers of one machine do.
        try second.write(try first.text("state/overlay.json"), to: "state/overlay.json")
        try second.start()
        #expect(try eventually { try first.ways().count == 1 && second.ways().count == 1 }, "\(lab.logs)")
        #expect(try lab.registry.hosts().count == 2)
        #expect(try lab.registry.key(of: "192.168.9.1") == key, "\(lab.logs)")
        // Somebody else says that the key is his, with the very lease.
        let lease = try lab.registry.lease(of: key)
        try lab.registry.put("subnets/\(key)", Self.value("192.168.9.99"), lease: String(lease, radix: 16))
        #expect(try eventually { try lab.registry.key(of: "192.168.9.1").map { $0 != key } ?? false }, "\(lab.logs)")
        #expect(first.log.contains("was taken by 192.168.9.99"), "\(first.log)")
        #expect(try lab.registry.hosts()[key]?.contains("192.168.9.99") == true)
    }

    @Test func aSubnetIsSetAsideByHandLater() throws {
        let lab = try Lab(hosts: 1, keys: ["leaseTTL": "6s"])
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        try lab.startAll()
        let key = try #require(try lab.registry.key(of: "192.168.9.1"))
        let value = try #require(try lab.registry.hosts()[key])
        try lab.registry.put("subnets/\(key)", value)
        #expect(eventually { host.log.contains("\(key) was set aside") }, "\(host.log)")
        #expect(try eventually { try !host.text("run/overlay.json").contains("lasts") }, "\(host.log)")
        #expect(try lab.registry.lease(of: key) == 0)
        #expect(!host.log.contains("another host"), "\(host.log)")
    }

    @Test func aLeaseThatIsToLastLongerIsTakenAnew() throws {
        let lab = try Lab(hosts: 1, keys: ["leaseTTL": "600s"])
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        #expect(try host.call("--once").exitCode == 0)
        let key = try #require(try lab.registry.key(of: "192.168.9.1"))
        let first = try lab.registry.lease(of: key)
        #expect(try host.call("--once").exitCode == 0)
        #expect(try lab.registry.lease(of: key) == first)
        try host.write(host.text("net.conf").replacingOccurrences(of: "600s", with: "900s"), to: "net.conf")
        #expect(try host.call("--once").exitCode == 0)
        #expect(try lab.registry.key(of: "192.168.9.1") == key)
        let second = String(try lab.registry.lease(of: key), radix: 16)
        #expect(try lab.registry.type(["lease", "timetolive", second]).contains("TTL(900s)"))
        // The one before holds nothing any more, and nobody waits for its end.
        #expect(try lab.registry.type(["lease", "list"]).contains("found 1 leases"))
        // A release before this one did not remember how long the lease was to last.
        let lines = try host.text("state/overlay.json").components(separatedBy: "\n")
        let older = lines.filter { !$0.contains("leaseTTL") }
        #expect(older.count == lines.count - 1)
        try host.write(older.joined(separator: "\n"), to: "state/overlay.json")
        #expect(try host.call("--once").exitCode == 0)
        #expect(try lab.registry.hosts().count == 1)
        #expect(try lab.registry.key(of: "192.168.9.1") == key)
        #expect(try lab.registry.type(["lease", "list"]).contains("found 1 leases"))
    }

    @Test func anAddressThatIsNotOnTheInterfaceIsNoMove() throws {
        let lab = try Lab(hosts: 1, plugin: ["local": "192.168.8.1"])
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        try host.run("ip address add 192.168.8.1/32 dev lo")
        try host.start(["--trace", "stderr"])
        #expect(eventually { host.isReady }, "\(host.log)")
        for mtu in [1300, 1310, 1320] {
            try host.run("ip link set vxlan.1 mtu \(mtu)")
            #expect(try eventually { try host.run("ip link show vxlan.1").contains("mtu 1450") }, "\(host.log)")
        }
        #expect(count(" watch ", host) == 1, "\(host.log)")
    }

    @Test func aNetworkInsideThisOneKeepsItsWays() throws {
        let lab = try Lab(hosts: 1)
        try lab.registry.configure(#"{"Network":"10.5.0.0/16","Backend":{"Type":"host-gw"}}"#)
        let host = lab.hosts[0]
        // A tunnel of another network, with a route as the plugin makes it.
        try host.run("ip link add vxlan.9 type vxlan id 9 dstport 4789 dev eth0")
        try host.run("ip link set vxlan.9 up")
        try host.run("ip route add 10.5.200.0/24 via 10.5.200.0 dev vxlan.9 onlink proto 92")
        try host.start()
        #expect(eventually { host.isReady }, "\(host.log)")
        #expect(try host.ways() == ["10.5.200.0/24"], "\(host.log)")
        host.end(SIGTERM)
        #expect(try host.call("--revoke").exitCode == 0)
        #expect(try host.ways() == ["10.5.200.0/24"], "\(host.log)")
    }
}
