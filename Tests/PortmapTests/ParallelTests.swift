// SPDX-License-Identifier: Apache-2.0

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

    /// Runs calls with a few at a time, and kills some after a while.
    ///
    /// - Returns: Which calls were killed.
    private func run(
        _ calls: [(number: Int, process: PluginProcess)],
        killing: (inout SeededGenerator) -> useconds_t?,
        _ random: inout SeededGenerator
    ) throws -> Set<Int> {
        var killed: Set<Int> = []
        for start in stride(from: 0, to: calls.count, by: 8) {
            let group = calls[start...].prefix(8)
            let running = try group.map { try $0.process.start() }
            for process in running {
                guard let delay = killing(&random) else { continue }
                usleep(delay)
                process.send(SIGKILL)
            }
            for (call, process) in zip(group, running) {
                let outcome = try process.finish()
                if outcome.signal == nil { #expect(outcome.exitCode == 0, "\(outcome.stdoutText)") }
                if outcome.signal != nil { killed.insert(call.number) }
            }
        }
        return killed
    }

    @Test(arguments: Backend.allCases) func whoIsKilledLeavesNothingBehindTheCollection(backend: Backend) throws {
        var random = SeededGenerator("portmap \(backend)")
        let all = (0..<Self.count).map { Self.publication(backend, $0) }
        func calls(_ command: String, _ numbers: [Int]) -> [(number: Int, process: PluginProcess)] {
            numbers.map { ($0, all[$0].process(command)) }
        }
        // iptables is run as a child, which goes on after its parent was killed: the collection comes when it has ended.
        let pause: useconds_t = backend == .iptables ? 300_000 : 0
        let limit: UInt64 = backend == .iptables ? 40_000 : 12_000
        var killed = try run(
            calls("ADD", Array(0..<Self.count)),
            killing: { random in
                Bool.random(using: &random) ? nil : useconds_t(UInt64.random(in: 0...limit, using: &random))
            },
            &random
        )
        let living = (0..<Self.count).filter { !killed.contains($0) }
        let leaving = living.filter { $0.isMultiple(of: 2) }
        killed.formUnion(
            try run(
                calls("DEL", leaving),
                killing: { random in
                    Int.random(in: 0..<3, using: &random) > 0
                        ? nil : useconds_t(UInt64.random(in: 0...limit, using: &random))
                },
                &random
            )
        )
        #expect(!killed.isEmpty)
        usleep(pause)
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
}
