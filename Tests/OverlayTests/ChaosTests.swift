// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// Daemons, members of etcd and hosts fail in any order, while containers talk.
@Suite(
    "overlayd: failures in any order",
    .ownNetworkNamespace,
    .enabled(if: Programs.path("etcd") != nil, "needs etcd-server and etcd-client"),
    .seeded
)
struct ChaosTests {
    @Test(arguments: [Lab.vxlan, #"{"Network":"10.5.0.0/16","SubnetMax":"10.5.69.0","Backend":{"Type":"host-gw"}}"#])
    func trafficGoesOnNewHostsAreReachedAndNothingIsLeft(configuration: String) throws {
        let lab = try Lab(members: 3, hosts: 5)
        try lab.registry.configure(configuration)
        try lab.startAll()
        try lab.attachAll()
        var chaos = Chaos(lab, named: configuration)
        let established = try #require(try lab.connect(0, 1))
        for step in 1...12 {
            let event = try chaos.next()
            #expect(established.goesOn(), "step \(step), \(event)")
            // Until the members that are left have a leader nobody can register.
            let number = 100 + step
            let value = Registry.value("192.168.9.\(number)", mac: "c6:d2:32:6f:8f:\(10 + step)")
            let typeless = value.replacingOccurrences(of: #""BackendType":"vxlan""#, with: chaos.backendType)
            try lab.registry.put("subnets/10.5.\(number).0-24", typeless)
            for host in lab.hosts where host.daemon != nil {
                let knows = try eventually { try host.ways().contains("10.5.\(number).0/24") }
                #expect(knows, "step \(step), \(event), host \(host.number): \(host.log)")
            }
            #expect(established.goesOn(), "step \(step), \(event)")
            // Some of the new ones go again, whoever listens.
            if step.isMultiple(of: 2) { try lab.registry.delete("subnets/10.5.\(number - 1).0-24") }
        }
        try chaos.end()
        #expect(established.goesOn())
        for from in lab.hosts.indices {
            for to in lab.hosts.indices where to != from { #expect(try lab.reaches(from, to), "\(from) to \(to)") }
        }
        for host in lab.hosts { try chaos.expectNothingStale(on: host) }
    }
}

/// What fails next, and what of it was repaired.
private struct Chaos {
    private let lab: Lab
    private var random: SeededGenerator
    /// The member of etcd that does not run, of which there is one at most.
    private var member: Int?
    /// Hosts that gave their subnet back.
    private var away: Set<Int> = []
    /// What the registry says of a host by hand about the means of it.
    let backendType: String
    private let isTunnelled: Bool

    init(_ lab: Lab, named name: String) {
        (self.lab, random) = (lab, SeededGenerator("chaos \(name)"))
        isTunnelled = name.contains("vxlan")
        backendType = #""BackendType":"\#(isTunnelled ? "vxlan" : "host-gw")""#
    }

    /// Does something at random, and says what.
    mutating func next() throws -> String {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: return try failOrRepairMember()
        case 1: return try leaveOrJoin(Int.random(in: 2..<lab.hosts.count, using: &random))
        default: return try killOrStart(Int.random(in: 0..<lab.hosts.count, using: &random))
        }
    }

    private mutating func failOrRepairMember() throws -> String {
        if let member {
            try lab.registry.start(member)
            self.member = nil
            return "member \(member) is back"
        }
        let number = Int.random(in: 0..<3, using: &random)
        member = number
        lab.registry.kill(number)
        return "member \(number) was killed"
    }

    private mutating func leaveOrJoin(_ index: Int) throws -> String {
        let host = lab.hosts[index]
        if away.remove(index) != nil {
            try join(index)
            return "host \(host.number) has come back"
        }
        host.end(SIGKILL)
        #expect(try host.plugin("DEL").exitCode == 0)
        let hasLeft = try eventually { try host.call("--revoke").exitCode == 0 }
        #expect(hasLeft, "host \(host.number)")
        away.insert(index)
        return "host \(host.number) has left"
    }

    private func join(_ index: Int) throws {
        let host = lab.hosts[index]
        try host.start()
        #expect(eventually { (try? host.attach()) != nil }, "\(host.log)")
        // Whoever has a daemon knows the new one by now, or soon.
        for other in lab.hosts.indices where other != index && lab.hosts[other].daemon != nil {
            #expect(try eventually { try lab.reaches(other, index) }, "from \(other) to \(index): \(lab.logs)")
        }
    }

    private mutating func killOrStart(_ index: Int) throws -> String {
        let host = lab.hosts[index]
        if away.contains(index) { return try leaveOrJoin(index) }
        if host.daemon == nil {
            try host.start()
            return "the daemon of host \(host.number) is back"
        }
        host.end(SIGKILL)
        return "the daemon of host \(host.number) was killed"
    }

    /// Repairs all that failed.
    mutating func end() throws {
        if member != nil { _ = try failOrRepairMember() }
        for index in away { try join(index) }
        away = []
        for host in lab.hosts where host.daemon == nil { try host.start() }
    }

    /// Compares what is in the kernel with what the registry says of the others.
    func expectNothingStale(on host: LabHost) throws {
        var expected: [String] = []
        for (key, value) in try lab.registry.hosts() {
            let address = value.components(separatedBy: "\"")[3]
            if address != "192.168.9.\(host.number)" {
                expected.append("\(key.replacingOccurrences(of: "-", with: "/")) \(address)")
            }
        }
        #expect(try eventually { try present(on: host).sorted() == expected.sorted() }, "\(host.log)")
        #expect(try present(on: host).sorted() == expected.sorted())
        // Nothing that leads to nobody: one entry of each kind for each host.
        if isTunnelled { #expect(try host.entries().split(separator: "\n").count == 3 * expected.count) }
    }

    /// The networks behind other hosts, with the hosts.
    private func present(on host: LabHost) throws -> [String] {
        try host.ways().map { network in
            guard isTunnelled else { return "\(network) \(try host.gateway(to: network))" }
            let neighbour = try host.run("ip neigh show \(network.split(separator: "/")[0]) dev vxlan.1").split(
                separator: " "
            )
            guard let place = neighbour.firstIndex(of: "lladdr"), place + 1 < neighbour.count else { return network }
            let forwarding = try host.run("bridge fdb show dev vxlan.1").split(separator: "\n")
            let words = forwarding.first { $0.hasPrefix(neighbour[place + 1]) }?.split(separator: " ") ?? []
            return "\(network) \(words.count > 2 ? words[2] : "")"
        }
    }
}

extension LabHost {
    /// The host behind which a network is, without a tunnel.
    fileprivate func gateway(to network: String) throws -> String {
        let words = try run("ip route show \(network)").split(separator: " ")
        return words.count > 2 ? String(words[2]) : ""
    }
}
