// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// A list of more hosts than anybody has, and what the kernel gets of it.
@Suite("vxlan: many hosts", .ownNetworkNamespace)
struct ManyHostsTests {
    private let host: TestHost
    private let directory: TemporaryDirectory
    /// What is not optimised reads long lists ten times as slowly, and finds nothing else in them.
    private let count = Executables.isRelease ? 20_000 : 2_000

    init() throws {
        host = try TestHost(1)
        directory = try TemporaryDirectory()
        try host.run("ip link add eth0 up type bridge")
        try host.run("ip address add 192.168.9.1/24 dev eth0")
    }

    private func subnet(_ number: Int) -> String { "10.\(64 + number / 256).\(number % 256).0" }

    private func mac(_ number: Int) -> String { String(format: "02:00:00:%02x:%02x:00", number / 256, number % 256) }

    private func address(_ number: Int) -> String { "172.\(16 + number / 256).\(number % 256).9" }

    /// Reconciles with a list of hosts, of which one may be another machine than its number says.
    private func reconcile(_ numbers: Range<Int>, _ replaced: Int? = nil) throws -> String {
        var peers = #"{"publicIP":"192.168.9.1","subnet":"10.5.1.0/24"}"#
        for number in numbers {
            let mac = mac(number == replaced ? count + 1 : number)
            peers += #",{"publicIP":"\#(address(number))","subnet":"\#(subnet(number))/24","vtepMAC":"\#(mac)"}"#
        }
        let text = #"{"cniVersion":"1.1.0","name":"many","type":"vxlan","network":"10.0.0.0/8","peers":[\#(peers)]}"#
        let path = try directory.write(text, to: "many.conf")
        return try host.run("\(Executables.path("vxlan")) reconcile \(path)")
    }

    private func lines(_ command: String) throws -> Set<String> {
        Set(try host.run(command).split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) })
    }

    /// The first few lines that only one of two sets has, because nobody reads thousands.
    private func difference(_ found: Set<String>, _ wanted: (Int) -> String) -> [String] {
        Array(found.symmetricDifference((0..<count).map(wanted)).sorted().prefix(5))
    }

    @Test(.tags(.fillsNeighbourTable)) func theyComeAndChangeAndGo() throws {
        // A route, a neighbour and a forwarding entry for each, the device and its own address.
        #expect(try reconcile(0..<count) == "vxlan.1: \(3 * count + 2) changes\n")
        let routes = try lines("ip route show proto 92")
        let ways = Set(routes.map { $0.split(separator: " ").prefix(5).joined(separator: " ") })
        #expect(difference(ways) { "\(subnet($0))/24 via \(subnet($0)) dev vxlan.1" } == [])
        // The kernel looks through all routes of one scope for each that it gets.
        let scopes = Dictionary(grouping: routes) { $0.split(separator: " ").dropFirst(6).first ?? "" }.mapValues(
            \.count
        )
        #expect(scopes.count == 199 && scopes.values.allSatisfy { $0 <= count / 199 + 1 })
        let neighbours = try lines("ip neigh show dev vxlan.1 nud permanent")
        #expect(difference(neighbours) { "\(subnet($0)) lladdr \(mac($0)) PERMANENT proto 92" } == [])
        let forwarding = try lines("bridge fdb show dev vxlan.1")
        #expect(difference(forwarding) { "\(mac($0)) dst \(address($0)) self permanent" } == [])

        #expect(try reconcile(0..<count) == "vxlan.1: all is as it is to be\n")
        // The neighbour and the forwarding entry become others, and the old forwarding entry goes.
        #expect(try reconcile(0..<count, 777) == "vxlan.1: 3 changes\n")
        let others = try lines("bridge fdb show dev vxlan.1").symmetricDifference(forwarding)
        #expect(others == Set([777, count + 1].map { "\(mac($0)) dst \(address(777)) self permanent" }))
        #expect(try lines("ip route show proto 92").symmetricDifference(routes).isEmpty == true)
        #expect(try reconcile(0..<0) == "vxlan.1: \(3 * count) changes\n")
        for command in ["ip route show proto 92", "ip neigh show dev vxlan.1", "bridge fdb show dev vxlan.1"] {
            #expect(try host.run(command).isEmpty, "\(command)")
        }
    }
}
