// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// DEL, CHECK and GC with whatever the runtime still knows, and ADD that fails in the middle.
@Suite("Lifecycle", .ownNetworkNamespace)
struct LifecycleTests {
    private static let mappings = [
        Mapping(8080, 80), Mapping(8080, 80, "udp"), Mapping(8081, 81, on: "192.0.2.1"), Mapping(8082, 82, "sctp"),
        Mapping(8081, 81, on: "2001:db8::1"),
    ]

    private static func publication(_ backend: Backend, _ number: Int = 1, network: String = "lan") -> Publication {
        Publication(backend, Self.mappings).with { publication in
            (publication.id, publication.network) = ("c\(number)", network)
            publication.addresses = ["10.88.0.\(number + 1)/24", "fd88::\(number + 1)/64"]
            if number > 1 { publication.mappings = [Mapping(9000 + number, 80), Mapping(9000 + number, 80, "udp")] }
        }
    }

    @Test(arguments: Backend.allCases) func deleteNeedsNothing(backend: Backend) throws {
        let publication = Self.publication(backend)
        let changes: [(inout Publication) -> Void] = [
            { $0.addresses = nil }, { $0.netns = "" }, { $0.mappings = nil }, { $0.backend = nil },
            { $0.environment["CNI_NETNS"] = "/gone" }, { $0.mappings = [Mapping(text: "7")] },
            { ($0.addresses, $0.netns, $0.mappings, $0.backend) = (nil, "", nil, nil) },
        ]
        for (number, change) in changes.enumerated() {
            try publication.call("ADD")
            #expect(try Rules().contains("8080"))
            for _ in 0..<2 {
                try publication.with(change).call("DEL")
                let rules = try Rules()
                #expect(rules.isEmpty, "change \(number): \(rules)")
            }
        }
    }

    @Test(arguments: Backend.allCases) func deleteTakesNothingOfOthers(backend: Backend) throws {
        let other = Self.publication(backend, 2)
        let wan = Self.publication(backend, 3, network: "wan").with { $0.id = "c1" }
        try other.call("ADD")
        try wan.call("ADD")
        let before = try Rules()
        let publication = Self.publication(backend)
        try publication.call("ADD")
        #expect(try Rules() != before)
        try publication.call("DEL")
        #expect(try Rules() == before)
        #expect(before.contains("9002") && before.contains("9003"))
        try other.call("CHECK")
        try wan.call("CHECK")
        try wan.call("DEL")
        try other.call("DEL")
        #expect(try Rules().isEmpty)
    }

    @Test(arguments: Backend.allCases) func checkMissesWhatIsMissing(backend: Backend) throws {
        let publication = Self.publication(backend)
        #expect(try publication.failure("CHECK").code > 0)
        try publication.call("ADD")
        try publication.call("CHECK")
        // A rule that is gone, then one that leads elsewhere.
        let removals =
            backend == .nftables
            ? [
                "nft delete element inet swift_cni_portmap ports4 { tcp . 8080 }",
                "nft delete element inet swift_cni_portmap hosts6 { 2001:db8::1 . tcp . 8081 }",
                "nft flush set inet swift_cni_portmap pairs4", "nft delete table inet swift_cni_portmap",
            ]
            : [
                "iptables -t nat -D CNI-HOSTPORT-DNAT 1", "ip6tables -t nat -D CNI-HOSTPORT-DNAT 1",
                "iptables -t nat -F CNI-HOSTPORT-DNAT", "iptables -t nat -F CNI-HOSTPORT-MASQ",
                "iptables -t nat -D PREROUTING 1", "iptables -t nat -D OUTPUT 1",
            ]
        for removal in removals {
            let words = removal.split(separator: " ").map { String($0) }
            try Programs.run(words[0], Array(words.dropFirst()))
            let failure = try publication.failure("CHECK")
            #expect(failure.text.contains("c1"), "\(removal): \(failure)")
            try publication.call("ADD")
            try publication.call("CHECK")
        }
        // More mappings than there are.
        #expect(try publication.with { $0.mappings?.append(Mapping(7000, 70)) }.failure("CHECK").code > 0)
        try publication.call("DEL")
        #expect(try Rules().isEmpty)
    }

    @Test(arguments: Backend.allCases, ["null", "[]", "list", "absent"])
    func garbageIsWhatNobodyNamesAsValid(backend: Backend, valid: String) throws {
        let publications = (1...4).map { Self.publication(backend, $0) }
        let wan = Self.publication(backend, 5, network: "wan")
        for publication in publications + [wan] { try publication.call("ADD") }
        let before = try Rules()
        let list = #"[{"containerID":"c2","ifname":"eth0"},{"containerID":"c3","ifname":"eth0"}]"#
        let key = valid == "absent" ? "" : #","cni.dev/valid-attachments":\#(valid == "list" ? list : valid)"#
        let collector = Publication(backend, nil).with { ($0.addresses, $0.more) = (nil, key) }
        for _ in 0..<2 { try collector.call("GC") }
        let living = valid == "absent" ? [1, 2, 3, 4] : valid == "list" ? [2, 3] : []
        for number in 1...4 {
            let publication = publications[number - 1]
            if living.contains(number) {
                try publication.call("CHECK")
            } else {
                #expect(try publication.failure("CHECK").code > 0)
            }
        }
        if valid == "absent" { #expect(try Rules() == before) }
        try wan.call("CHECK")
        for publication in publications + [wan] { try publication.call("DEL") }
        #expect(try Rules().isEmpty)
    }

    @Test(arguments: Backend.allCases, [true, false])
    func afterEachStepAllIsUndone(backend: Backend, isInUse: Bool) throws {
        let topology = try Topology()
        let neighbour = topology.publication(backend, of: 1, [Mapping(9000, 90)])
        if isInUse { try neighbour.call("ADD") }
        let before = (try Rules(), try HostState())
        let publication = topology.publication(backend, of: 0, Self.mappings)
        for step in 1...20 {
            let failing = publication.with { $0.environment["CNI_FAIL_AFTER_STEP"] = "\(step)" }
            let outcome = try failing.process("ADD").run()
            if outcome.exitCode == 0 {
                #expect(step > 1, "nothing can be undone")
                try publication.call("DEL")
                return
            }
            #expect(outcome.stdoutText.contains("step \(step)"), "\(outcome.stdoutText)")
            #expect(try Rules() == before.0, "step \(step)")
            if backend == .nftables { #expect(try HostState().difference(from: before.1).isEmpty, "step \(step)") }
        }
        Issue.record("ADD never succeeds")
    }

    /// The setting of the bridge.
    private func localnet() throws -> String {
        try String(contentsOfFile: "/proc/sys/net/ipv4/conf/br0/route_localnet", encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @Test(arguments: Backend.allCases) func theLoopbackIsRoutedWhileSomebodyNeedsIt(backend: Backend) throws {
        let topology = try Topology()
        let first = topology.publication(backend, of: 0, [Mapping(8080, 80)])
        let second = topology.publication(backend, of: 1, [Mapping(8081, 80)])
        #expect(try localnet() == "0")
        try first.with { $0.more = #","snat":false"# }.call("ADD")
        #expect(try localnet() == "0")
        try first.call("DEL")
        try first.call("ADD")
        #expect(try localnet() == "1")
        try second.call("ADD")
        try first.call("DEL")
        #expect(try localnet() == "1")
        try "0".write(toFile: "/proc/sys/net/ipv4/conf/br0/route_localnet", atomically: false, encoding: .ascii)
        #expect(try second.failure("CHECK").text.contains("route_localnet"))
        try second.call("DEL")
        if backend == .nftables { #expect(try localnet() == "0") }
    }

    @Test func aSettingThatWasOnBeforeStaysOn() throws {
        let topology = try Topology()
        try "1".write(toFile: "/proc/sys/net/ipv4/conf/br0/route_localnet", atomically: false, encoding: .ascii)
        let publication = topology.publication(.nftables, of: 0, [Mapping(8080, 80)])
        try publication.call("ADD")
        #expect(try Rules().contains("8080"))
        try publication.call("DEL")
        #expect(try localnet() == "1")
    }

    @Test(arguments: Backend.allCases) func afterAddAndDeleteTheHostIsAsBefore(backend: Backend) throws {
        let topology = try Topology()
        let before = (try Rules(), try HostState())
        let publication = topology.publication(backend, of: 0, Self.mappings)
        try publication.call("ADD")
        #expect(try Rules() != before.0)
        try publication.call("DEL")
        #expect(try Rules() == before.0)
        if backend == .nftables { #expect(try HostState().difference(from: before.1).isEmpty) }
    }

    @Test func statusSaysWhetherItCould() throws {
        try Publication(.nftables).call("STATUS")
        try Publication(.iptables).call("STATUS")
        #expect(
            try Publication().with { $0.more = #","backend":"ebtables""# }.failure("STATUS").text.contains("ebtables")
        )
        #expect(try Rules().isEmpty)
    }
}
