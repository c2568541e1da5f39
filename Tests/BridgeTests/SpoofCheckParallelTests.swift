// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// That processes which make and remove the shared table at the same time lose no rules.
@Suite("macspoofchk in parallel", .ownNetworkNamespace)
struct SpoofCheckParallelTests {
    private let network = GuardedNetwork()

    /// Starts calls at once and expects all to succeed.
    private func run(_ processes: [PluginProcess], sourceLocation: SourceLocation = #_sourceLocation) throws {
        let running = try processes.map { try $0.start() }
        for process in running {
            let outcome = try process.finish()
            let said: Comment = "\(outcome.stdoutText) \(outcome.stderrText)"
            #expect(outcome.exitCode == 0, said, sourceLocation: sourceLocation)
        }
    }

    @Test func twentyAtOnceComeAndGo() throws {
        let before = try Rules.all()
        let containers = try (0..<20).map { _ in try ContainerNamespace() }
        func calls(_ command: String, _ numbers: Range<Int>) -> [PluginProcess] {
            numbers.map { network.process(command, containers[$0], id: "c\($0)") }
        }
        try run(calls("ADD", 0..<20))
        #expect(try Rules.owners().count == 20)
        #expect(try Rules.pairs().count == 20)
        try run(calls("DEL", 0..<10))
        #expect(try Rules.owners().count == 10)
        try run(zip(calls("DEL", 10..<20), calls("ADD", 0..<10)).flatMap { [$0, $1] })
        #expect(try Rules.owners().count == 10)
        try run(calls("DEL", 0..<20))
        #expect(try Rules.all() == before)
        #expect(try Rules.ports() == [])
    }

    @Test func theFirstThatComesKeepsItsRulesWhileTheLastOneGoes() throws {
        let containers = [try ContainerNamespace(), try ContainerNamespace()]
        try network.call("ADD", containers[0], id: "c0")
        for round in 1...25 {
            let (old, new) = ((round + 1) % 2, round % 2)
            try run([
                network.process("DEL", containers[old], id: "c\(old)"),
                network.process("ADD", containers[new], id: "c\(new)"),
            ])
            #expect(try Rules.owners() == ["lan/c\(new)/eth0"], "round \(round)")
            #expect(try Rules.pairs().count == 1)
            let all = try Programs.run("nft", "list", "ruleset")
            #expect(all.split(separator: "\n").count { $0.contains("@allowed counter") } == 1)
        }
    }
}
