// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// That the rules of macspoofchk go when they should, and only then.
@Suite("macspoofchk comes and goes", .ownNetworkNamespace)
struct SpoofCheckRemovalTests {
    private let network = GuardedNetwork()
    private let (first, second): (ContainerNamespace, ContainerNamespace)
    private let before: String

    init() throws {
        (first, second) = (try ContainerNamespace(), try ContainerNamespace())
        before = try Rules.all()
    }

    private func expectNothingLeft(sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(try Rules.all() == before, sourceLocation: sourceLocation)
        #expect(try Rules.ports() == [], sourceLocation: sourceLocation)
    }

    @Test func aDELLeavesTheRulesetAsItWas() throws {
        let result = try network.call("ADD", first)
        try network.with(#","prevResult":\#(result)"#).call("DEL", first)
        try expectNothingLeft()
    }

    @Test func aDELWorksTwiceAndWithoutAnythingToRemove() throws {
        try network.call("DEL", first)
        try network.call("ADD", first)
        for _ in 0..<2 { try network.call("DEL", first) }
        try expectNothingLeft()
    }

    @Test func aDELNeedsNeitherNamespaceNorPreviousResult() throws {
        try network.call("ADD", first)
        try network.call("DEL")
        try expectNothingLeft()
        try network.call("ADD", second)
        second.removePath()
        try network.call("DEL", second)
        try expectNothingLeft()
    }

    @Test func aDELTakesOnlyItsOwn() throws {
        try network.call("ADD", first)
        try network.call("ADD", second, id: "c2")
        try network.call("DEL", first)
        #expect(try Rules.owners() == ["lan/c2/eth0"])
        try network.call("DEL", first)
        #expect(try Rules.owners() == ["lan/c2/eth0"])
        try network.call("DEL", second, id: "c2")
        try expectNothingLeft()
    }

    @Test func foreignTablesAreNotTouched() throws {
        try Programs.run("nft", "add table bridge filter; add chain bridge filter x; add rule bridge filter x drop")
        let foreign = try Rules.all()
        try network.call("ADD", first)
        try network.call("DEL", first)
        #expect(try Rules.all() == foreign)
    }

    @Test func anADDThatFailsAfterAnyStepLeavesNothing() throws {
        for step in 1...10 {
            let failing = network.with(environment: ["CNI_FAIL_AFTER_STEP": "\(step)"])
            let outcome = try failing.process("ADD", first).run()
            if outcome.exitCode == 0 {
                #expect(step > 3)
                return try network.call("DEL", first) == "" ? expectNothingLeft() : ()
            }
            try expectNothingLeft()
        }
        Issue.record("ADD never succeeds")
    }

    @Test func anADDAfterACrashReplacesTheOldRule() throws {
        try network.call("ADD", first)
        let old = try Rules.pairs()
        // The pair dies with the container, the rules stay.
        try Programs.run("ip", "link", "delete", try #require(try Rules.ports().first))
        try network.call("ADD", first)
        let new = try Rules.pairs()
        #expect(new.count == 1 && new != old)
        try network.call("DEL", first)
        try expectNothingLeft()
    }

    @Test func garbageGoesByNetwork() throws {
        let other = GuardedNetwork("lan2")
        try network.call("ADD", first)
        let dead = try #require(try Rules.ports().first)
        try network.call("ADD", second, id: "c2")
        try other.call("ADD", first, interface: "eth1")
        // What a dead container leaves: rules without an interface.
        try Programs.run("ip", "link", "delete", dead)
        try network.call("GC")
        #expect(try Rules.owners().count == 3)
        try network.with(#","cni.dev/valid-attachments":[{"containerID":"c2","ifname":"eth0"}]"#).call("GC")
        #expect(try Rules.owners().sorted() == ["lan/c2/eth0", "lan2/c1/eth1"])
        try network.with(#","cni.dev/valid-attachments":[]"#).call("GC")
        #expect(try Rules.owners().count == 1)
        try other.with(#","cni.dev/valid-attachments":[]"#).call("GC")
        try expectNothingLeft()
        try network.with(#","cni.dev/valid-attachments":[]"#).call("GC")
    }

    @Test func theRulesOfANetworkWithAnEndlessNameAreFoundAgain() throws {
        let long = GuardedNetwork(String(repeating: "n", count: 200))
        try long.call("ADD", first, id: String(repeating: "c", count: 64))
        try GuardedNetwork(String(repeating: "n", count: 201)).with(#","cni.dev/valid-attachments":[]"#).call("GC")
        #expect(try Rules.owners().count == 1)
        try long.with(#","cni.dev/valid-attachments":[]"#).call("GC")
        try expectNothingLeft()
    }
}
