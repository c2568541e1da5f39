// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Support
import Testing

/// Many attachments that come and go at once, of which some are killed in the middle.
@Suite("In parallel", .ownNetworkNamespace)
struct ParallelTests {
    private static let count = 40

    private static func publication(_ backend: Backend, _ number: Int) -> Publication {
        Publication(backend, [Mapping(8000 + number, 80), Mapping(8000 + number, 80, "udp")]).with {
            ($0.id, $0.addresses) = ("c\(number)", ["10.88.0.\(number + 2)/24", "fd88::\(number + 2)/64"])
        }
    }

    @Test(arguments: Backend.allCases) func whoIsKilledLeavesNothingBehindTheCollection(backend: Backend) throws {
        var random = SeededGenerator("portmap \(backend)")
        let all = (0..<Self.count).map { Self.publication(backend, $0) }
        let killer = Killer(guessedMicroseconds: 10_000)
        /// Makes calls for attachments and says which of them were killed.
        func call(_ command: String, _ numbers: [Int], killing share: Double) throws -> [Int] {
            let processes = numbers.map { all[$0].process(command) }
            let outcomes = try killer.run(processes, atOnce: 8, killing: share, &random)
            for outcome in outcomes where outcome.signal == nil {
                #expect(outcome.exitCode == 0, "\(outcome.stdoutText)")
            }
            return zip(numbers, outcomes).filter { $1.signal != nil }.map { $0.0 }
        }
        let killed = try call("ADD", Array(0..<Self.count), killing: 1 / 2)
        #expect(!killed.isEmpty)
        let living = (0..<Self.count).filter { !killed.contains($0) }
        let leaving = living.filter { $0.isMultiple(of: 2) }
        _ = try call("DEL", leaving, killing: 1 / 3)
        // iptables is run as a child, which goes on after its parent was killed: the collection comes when it has ended.
        try #require(try eventually { try Orphans.areGone() })
        let staying = living.filter { !leaving.contains($0) }
        for number in staying { try all[number].call("CHECK") }
        let list = staying.map { #"{"containerID":"c\#($0)","ifname":"eth0"}"# }.joined(separator: ",")
        let collector = Publication(backend, nil).with { $0.addresses = nil }
        try collector.with { $0.more = #","cni.dev/valid-attachments":[\#(list)]"# }.call("GC")
        let rules = try Rules()
        for number in 0..<Self.count {
            #expect(rules.contains("\(8000 + number)") == staying.contains(number), "c\(number)")
        }
        for number in staying { try all[number].call("CHECK") }
        try collector.with { $0.more = #","cni.dev/valid-attachments":[]"# }.call("GC")
        let rest = try Rules()
        #expect(rest.isEmpty, "\(rest)")
    }

    @Test(arguments: Backend.allCases) func fortyAtOnceComeAndGo(backend: Backend) throws {
        let all = (0..<Self.count).map { Self.publication(backend, $0) }
        func atOnce(_ calls: [PluginProcess]) throws {
            let running = try calls.map { try $0.start() }
            for outcome in try running.map({ try $0.finish() }) {
                #expect(outcome.exitCode == 0, "\(outcome.stdoutText) \(outcome.stderrText)")
            }
        }
        try atOnce(all.map { $0.process("ADD") })
        for publication in [all[0], all[39]] { try publication.call("CHECK") }
        let rules = try Rules()
        for number in 0..<Self.count { #expect(rules.contains("\(8000 + number)")) }
        try atOnce(all.prefix(20).map { $0.process("DEL") })
        try atOnce(all.suffix(20).map { $0.process("DEL") } + all.prefix(20).map { $0.process("ADD") })
        for publication in all.prefix(20) { try publication.call("CHECK") }
        try atOnce(all.prefix(20).map { $0.process("DEL") })
        let rest = try Rules()
        #expect(rest.isEmpty, "\(rest)")
    }

    /// iptables goes on when the plugin that started it is killed: nobody may read rules that are about to change.
    @Test(arguments: ["ADD", "DEL"]) func theNextOneWaitsForWhatAKilledOneStarted(command: String) throws {
        let directory = try TemporaryDirectory()
        let (started, go) = (directory.path("started"), directory.path("go"))
        for name in ["iptables-restore", "iptables-nft-restore"] {
            let restore = try #require(Programs.path(name))
            let script = "touch \(started)\nuntil [ -e \(go) ]; do sleep 0.01; done\nexec \(restore) \"$@\"\n"
            try directory.write("#!/bin/sh\n" + script, to: name, permissions: 0o755)
        }
        // Of one version of IP, so that the program is started but once.
        let pair = [0, 1].map { Self.publication(.iptables, $0).with { $0.addresses?.removeLast() } }
        let (first, second) = (pair[0], pair[1])
        try first.call("ADD")
        if command == "ADD" { try first.call("DEL") }
        let killed = try first.with { $0.environment["PATH"] = "\(directory.path):/usr/bin:/bin" }.process(command)
            .start()
        try #require(eventually { FileManager.default.fileExists(atPath: started) })
        killed.send(SIGKILL)
        #expect(try killed.finish().signal == Int(SIGKILL))
        let next = try second.process("ADD").start()
        #expect(eventually { LockWaiters.contain(" \(next.process) ") })
        try directory.write("", to: "go")
        let outcome = try next.finish()
        #expect(outcome.exitCode == 0, "\(outcome.stdoutText)")
        let rules = try Rules()
        #expect(rules.contains("8000") == (command == "ADD"))
        #expect(rules.contains("8001"))
        for publication in [first, second] { try publication.call("DEL") }
        let rest = try Rules()
        #expect(rest.isEmpty, "\(rest)")
    }
}
