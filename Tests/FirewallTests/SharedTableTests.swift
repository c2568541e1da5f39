// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// Many attachments that come and go at once in a table with chains that some of them share, and are killed in the middle.
@Suite("A shared table", .ownNetworkNamespace, .seeded)
struct SharedTableTests {
    private static let count = 30

    private static func call(_ number: Int, bridges: Int = 3, policy: String = "same-bridge") -> PluginCall {
        PluginCall("firewall", #","ingressPolicy":"\#(policy)""#).with {
            $0.id = "c\(number)"
            $0.previous = PluginCall.result(["10.88.0.\(number + 2)/24"], bridge: "br\(number % bridges)")
        }
    }

    private func atOnce(_ calls: [PluginProcess], sourceLocation: SourceLocation = #_sourceLocation) throws {
        let running = try calls.map { try $0.start() }
        for outcome in try running.map({ try $0.finish() }) {
            let said: Comment = "\(outcome.stdoutText) \(outcome.stderrText)"
            #expect(outcome.exitCode == 0, said, sourceLocation: sourceLocation)
        }
    }

    @Test func theFirstFoundsItAndTheLastRemovesIt() throws {
        let calls = (0..<3).map { Self.call($0, bridges: 2) }
        #expect(try PacketFilter().isEmpty)
        var states: [PacketFilter] = []
        for call in calls {
            states.append(try PacketFilter())
            try call.call("ADD")
        }
        for (call, state) in zip(calls, states).reversed() {
            try call.call("DEL")
            #expect(try PacketFilter() == state)
        }
        #expect(try PacketFilter().isEmpty)
    }

    @Test(arguments: [1, 3, 30]) func thirtyAtOnceComeAndGo(bridges: Int) throws {
        let all = (0..<Self.count).map { Self.call($0, bridges: bridges) }
        try atOnce(all.map { $0.process("ADD") })
        for call in all { try call.call("CHECK") }
        try atOnce(all.prefix(15).map { $0.process("DEL") })
        for call in all.suffix(15) { try call.call("CHECK") }
        try atOnce(zip(all.prefix(15), all.suffix(15)).flatMap { [$0.process("ADD"), $1.process("DEL")] })
        for call in all.prefix(15) { try call.call("CHECK") }
        try atOnce(all.prefix(15).map { $0.process("DEL") })
        let rest = try PacketFilter()
        #expect(rest.isEmpty, "\(rest)")
    }

    @Test func theLastTwoOfABridgeLeaveNothingOfItWhileOthersStay() throws {
        let staying = Self.call(2)
        try staying.call("ADD")
        let before = try PacketFilter()
        for round in 0..<40 {
            let leaving = [Self.call(0), Self.call(3)]
            for call in leaving { try call.call("ADD") }
            try atOnce(leaving.map { $0.process("DEL") })
            let after = try PacketFilter()
            #expect(after == before, "round \(round): \(after)")
            if after != before { break }
        }
        try staying.call("CHECK")
        // The bridge is free for another policy.
        try Self.call(0, policy: "isolated").call("ADD")
    }

    @Test func oneComesWhileTheLastGoes() throws {
        for round in 0..<30 {
            let (old, new) = (Self.call(0, bridges: 1), Self.call(1, bridges: 1))
            try old.call("ADD")
            try atOnce([old.process("DEL"), new.process("ADD")])
            try new.call("CHECK")
            try new.call("DEL")
            let rest = try PacketFilter()
            #expect(rest.isEmpty, "round \(round): \(rest)")
            if !rest.isEmpty { break }
        }
    }

    @Test func whoIsKilledLeavesNothingBehindTheCollection() throws {
        var random = SeededGenerator("shared table")
        let killer = Killer(guessedMicroseconds: 4000)
        var killed = 0
        for _ in 0..<4 {
            var processes: [PluginProcess] = []
            for number in 0..<Self.count {
                processes.append(Self.call(number).process("ADD"))
                if Bool.random(using: &random) { processes.append(Self.call(number).process("DEL")) }
            }
            for outcome in try killer.run(processes, atOnce: 6, killing: 2 / 3, &random) {
                if outcome.signal != nil {
                    killed += 1
                } else {
                    #expect(outcome.exitCode == 0, "\(outcome.stdoutText)")
                }
            }
            try Self.call(0).collect(keeping: [])
            let rest = try Programs.run("nft", "list", "ruleset")
            #expect(rest == "")
        }
        #expect(killed > 10)
    }
}
