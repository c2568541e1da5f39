// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// That the rules of ipMasq go when they should, and only then.
@Suite("ipMasq comes and goes", .ownNetworkNamespace)
struct MasqueradeRemovalTests {
    typealias Backend = MasqueradedNetwork.Backend

    private func expectNothing(_ said: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let rules = try PacketFilter()
        #expect(rules.isEmpty, said ?? "\(rules)", sourceLocation: sourceLocation)
    }

    @Test(arguments: Backend.allCases) func aDELNeedsNothing(backend: Backend) throws {
        let network = try MasqueradedNetwork(backend)
        let other = backend == .nftables ? Backend.iptables : .nftables
        let ways: [(String, (PluginCall, ContainerNamespace) -> PluginCall)] = [
            ("as it was", { call, _ in call }),
            ("without previous result", { call, _ in call.with { $0.previous = nil } }),
            ("without namespace", { call, _ in call.with { $0.netns = "" } }),
            (
                "with the namespace gone",
                { call, container in
                    container.removePath()
                    return call
                }
            ),
            (
                "switched off",
                { call, _ in call.with { $0.members = network.bridge("lan", #","ipMasq":false"#).members } }
            ),
            ("not configured", { call, _ in call.with { $0.members = network.bridge("lan", "").members } }),
            (
                "with the other backend",
                { call, _ in
                    call.with {
                        $0.members =
                            network.bridge("lan", #","ipMasq":true,"ipMasqBackend":"\#(other.rawValue)""#).members
                    }
                }
            ),
            (
                "by nothing but its name",
                { call, _ in call.with { ($0.previous, $0.netns, $0.members) = (nil, "", "") } }
            ),
        ]
        for (name, way) in ways {
            let container = try ContainerNamespace()
            let call = network.bridge().of(container, "c1")
            let result = try call.call("ADD")
            #expect(try PacketFilter().contains("10.88.0.2"))
            let removal = way(call.with { $0.previous = result }, container)
            for _ in 0..<2 {
                try removal.call("DEL")
                try expectNothing("\(name)")
            }
            // What is not in this DEL's configuration stays: the lease.
            try network.forgetLeases()
        }
    }

    @Test(arguments: Backend.allCases) func aDELTakesNothingOfOthers(backend: Backend) throws {
        let network = try MasqueradedNetwork(backend)
        let containers = try (0..<3).map { _ in try ContainerNamespace() }
        let first = network.bridge().of(containers[0], "c1")
        let second = network.bridge().of(containers[1], "c2")
        // The same container on another network.
        let third = network.bridge("wan", subnets: ["10.77.0.0/24"]).of(containers[0], "c1").with {
            $0.interface = "eth1"
        }
        let results = try [second, third].map { call in try call.with { $0.previous = nil }.call("ADD") }
        let before = try PacketFilter()
        try first.call("ADD")
        #expect(try PacketFilter() != before)
        try first.call("DEL")
        #expect(try PacketFilter() == before)
        for (call, result) in zip([second, third], results) { try call.with { $0.previous = result }.call("CHECK") }
        let seen = try Wire.source(from: containers[1], to: network.wire.outside, at: "192.0.2.2")
        #expect(seen == "192.0.2.1")
        try second.call("DEL")
        #expect(try PacketFilter().contains("10.77.0.2"))
        #expect(try !PacketFilter().contains("10.88.0"))
        try third.call("DEL")
        try expectNothing()
    }

    @Test func theLastTwoOfANetworkLeaveNothingOfItWhileOthersStay() throws {
        let network = try MasqueradedNetwork(nil)
        let containers = try (0..<3).map { _ in try ContainerNamespace() }
        try network.bridge("wan", subnets: ["10.77.0.0/24"]).of(containers[2], "c3").call("ADD")
        let before = try PacketFilter()
        for round in 0..<15 {
            let calls = [0, 1].map { network.bridge().of(containers[$0], "c\($0 + 1)") }
            for call in calls { try call.call("ADD") }
            let running = try calls.map { try $0.process("DEL").start() }
            for process in running { #expect(try process.finish().exitCode == 0) }
            let after = try PacketFilter()
            #expect(after == before, "round \(round)")
            if after != before { break }
        }
    }

    @Test(arguments: Backend.allCases) func aCheckFindsWhatIsMissingOrChanged(backend: Backend) throws {
        let network = try MasqueradedNetwork(backend)
        let container = try ContainerNamespace()
        var call = network.bridge().of(container, "c1")
        call.previous = try call.call("ADD")
        try call.call("CHECK")
        let table = "inet swift_cni_masquerade"
        var chain = "?"
        if backend == .iptables {
            let leading = try PacketFilter().iptables.first { $0.hasPrefix("-A POSTROUTING") }
            chain = String(try #require(leading?.split(separator: " ").last))
        }
        let changes =
            backend == .nftables
            ? [
                "nft delete element \(table) sources4 { 10.88.0.2 }",
                "nft delete element \(table) sources6 { fd99::2 }",
                "nft flush chain \(table) beyond-10.88.0.0-24",
                "nft flush chain \(table) beyond-fd99..-48; add rule \(table) beyond-fd99..-48 ip6 daddr != fd98::/48 masquerade",
                "nft flush chain \(table) postrouting", "nft delete table \(table)",
            ]
            : [
                "iptables -t nat -D POSTROUTING 1", "ip6tables -t nat -D POSTROUTING 2",
                "iptables -t nat -D \(chain) 1", "ip6tables -t nat -F \(chain)", "iptables -t nat -F POSTROUTING",
            ]
        for change in changes {
            let words = change.split(separator: " ").map { String($0) }
            try Programs.run(words[0], Array(words.dropFirst()))
            #expect(try call.failure("CHECK").code == 105, "\(change)")
            // What is left goes all the same.
            try call.call("DEL")
            try expectNothing("\(change)")
            try network.forgetLeases()
            call.previous = nil
            call.previous = try call.call("ADD")
            try call.call("CHECK")
        }
        try call.call("DEL")
        try expectNothing()
    }

    @Test(arguments: Backend.allCases, [true, false])
    func afterEachStepAllIsUndone(backend: Backend, isInUse: Bool) throws {
        let network = try MasqueradedNetwork(backend)
        let containers = try [ContainerNamespace(), ContainerNamespace()]
        if isInUse { try network.bridge().of(containers[0], "c1").call("ADD") }
        let before = try PacketFilter()
        let call = network.bridge().of(containers[1], "c2")
        let steps = try call.failAfterEachStep { said in
            let rules = try PacketFilter()
            #expect(rules == before, said)
        }
        #expect(try PacketFilter() != before)
        try call.call("DEL")
        #expect(try PacketFilter() == before)
        let plain = network.bridge("lan", "").of(containers[1], "c2")
        let plainSteps = try plain.failAfterEachStep { _ in }
        #expect(plainSteps < steps)
    }

    @Test(arguments: Backend.allCases, ["null", "list", "[]"])
    func garbageIsWhatNobodyNamesAsValid(backend: Backend, valid: String) throws {
        let network = try MasqueradedNetwork(backend)
        let containers = try (0..<4).map { _ in try ContainerNamespace() }
        var results: [String] = []
        for number in 0..<3 {
            results.append(try network.bridge().of(containers[number], "c\(number + 1)").call("ADD"))
        }
        let wan = network.bridge("wan", subnets: ["10.77.0.0/24"]).of(containers[3], "c4")
        let result = try wan.call("ADD")
        let collector = network.bridge()
        for _ in 0..<2 {
            if valid == "list" { try collector.collect(keeping: ["c2"]) } else { try collector.collect(json: valid) }
        }
        let rules = try PacketFilter()
        for number in 0..<3 {
            let lives = valid == "list" && number == 1
            for address in MasqueradedNetwork.addresses(number) {
                let isThere = rules.contains("\(address) ") || rules.contains("\(address)/")
                #expect(isThere == lives, "\(address)")
            }
            if lives {
                try network.bridge().of(containers[number], "c2").with { $0.previous = results[number] }.call("CHECK")
            }
        }
        try wan.with { $0.previous = result }.call("CHECK")
        try wan.call("DEL")
        try network.bridge().of(containers[1], "c2").call("DEL")
        try expectNothing()
    }

    @Test(arguments: Backend.allCases) func aCollectionWithoutAListTakesNothing(backend: Backend) throws {
        let network = try MasqueradedNetwork(backend)
        let container = try ContainerNamespace()
        try network.bridge().of(container, "c1").call("ADD")
        let before = try PacketFilter()
        try network.bridge().call("GC")
        #expect(try PacketFilter() == before)
        #expect(before.contains("10.88.0.2"))
    }

    @Test(arguments: Backend.allCases) func aCollectionNeedsNoKeys(backend: Backend) throws {
        let network = try MasqueradedNetwork(backend)
        let container = try ContainerNamespace()
        try network.bridge().of(container, "c1").call("ADD")
        try network.bridge("lan", "").collect(keeping: [])
        try expectNothing()
    }

    @Test(arguments: Backend.allCases) func anAddressOfADeadContainerIsTakenOver(backend: Backend) throws {
        let network = try MasqueradedNetwork(backend)
        let (first, second) = (try ContainerNamespace(), try ContainerNamespace())
        try network.bridge().of(first, "c1").call("ADD")
        // Pair and leases are gone with the container, and the rules stay.
        _ = try first.inside { try Programs.run("ip", "link", "delete", "eth0") }
        try network.forgetLeases()
        var call = network.bridge().of(second, "c2")
        call.previous = try call.call("ADD")
        try call.call("CHECK")
        let seen = try Wire.source(from: second, as: "10.88.0.2", to: network.wire.outside, at: "192.0.2.2")
        #expect(seen == "192.0.2.1")
        if backend == .nftables { #expect(try !PacketFilter().contains("lan/c1/eth0")) }
        // The late DEL of the dead one takes nothing of its heir.
        try network.bridge().of(first, "c1").with { $0.netns = "" }.call("DEL")
        try call.call("CHECK")
        try call.call("DEL")
        try expectNothing()
    }

    @Test(arguments: Backend.allCases) func whatAnEarlierADDLeftIsReplaced(backend: Backend) throws {
        let network = try MasqueradedNetwork(backend)
        let container = try ContainerNamespace()
        var call = network.bridge().of(container, "c1")
        try call.call("ADD")
        let before = try PacketFilter()
        _ = try container.inside { try Programs.run("ip", "link", "delete", "eth0") }
        try network.forgetLeases()
        call.previous = try call.call("ADD")
        #expect(try PacketFilter() == before)
        try call.call("CHECK")
        try call.call("DEL")
        try expectNothing()
    }

    private static let reference = "/usr/lib/cni"

    @Test(
        .enabled(if: Programs.exists("\(reference)/bridge"), "needs Debian's containernetworking-plugins"),
        arguments: [nil, Backend.nftables, .iptables]
    )
    func leftoversOfTheReferenceGo(backend: Backend?) throws {
        let network = try MasqueradedNetwork(backend)
        let containers = try (0..<3).map { _ in try ContainerNamespace() }
        for (number, container) in containers.enumerated() {
            // The reference gives a bridge one gateway of a family only.
            let call = network.bridge("lan", #","ipMasq":true"#, subnets: ["10.88.0.0/24", "fd99::/48"])
                .of(container, "c\(number + 1)")
            try call.with { ($0.directory, $0.version) = (Self.reference, "1.0.0") }.call("ADD")
        }
        let first = try PacketFilter()
        #expect(first.contains("10.88.0.2/") && first.contains("fd99::3/"))
        try network.bridge().of(containers[0], "c1").with { $0.netns = "" }.call("DEL")
        let second = try PacketFilter()
        #expect(!second.contains("10.88.0.2/") && !second.contains("id: \\\"c1") && !second.contains("fd99::2/"))
        #expect(second.contains("10.88.0.3/") && second.contains("fd99::3/"))
        try network.bridge().collect(keeping: ["c2"])
        let third = try PacketFilter()
        #expect(!third.contains("10.88.0.4/") && third.contains("10.88.0.3/"))
        try network.bridge().of(containers[1], "c2").call("DEL")
        try expectNothing()
    }
}
