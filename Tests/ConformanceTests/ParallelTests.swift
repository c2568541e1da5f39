// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// Many calls at once, and calls that are killed: rules P-7 and P-8.
@Suite("Calls side by side", .privateHostAlone, .serialized, .seeded)
struct ParallelTests {
    private let host: Host

    init() throws { host = try Host() }

    /// Starts all calls before it waits for the first.
    private func runAll(_ calls: [Call]) throws -> [Answer] {
        let running = try calls.map { ($0, try $0.start()) }
        return try running.map { try $0.finish($1) }
    }

    @Test(arguments: [true, false])
    func fiftyContainersComeAndGoAtOnce(isGateway: Bool) throws {
        let before = try host.state()
        let network = isGateway ? host.dualStack() : host.network("bridge")
        let containers = try (1...50).map { _ in try ContainerNamespace() }
        func calls(_ command: String) -> [Call] {
            containers.enumerated().map { host.call(command, network, in: $1, id: "c\($0)") }
        }
        let answers = try runAll(calls("ADD")).map { $0.succeeded() }
        let addresses = answers.flatMap { $0.result["ips"]?.array ?? [] }.compactMap { $0["address"]?.string }
        #expect(addresses.count == (isGateway ? 100 : 50))
        #expect(Set(addresses).count == addresses.count, "an address was given twice")
        #expect(try host.leases().count == addresses.count)
        #expect(try Network.ports().count == 50)
        for (container, answer) in zip(containers, answers).prefix(5) {
            let expected = Set(answer.result["ips"]?.array.compactMap { $0["address"]?.string } ?? [])
            #expect(try container.inside { try Network.addresses("eth0") } == expected)
        }
        try runAll(calls("DEL")).forEach { $0.succeeded() }
        #expect(try host.leases() == [:])
        #expect(try Network.ports().isEmpty)
        try Network.run("ip link delete br0")
        if !isGateway { try host.expectUnchanged(since: before) }
    }

    @Test func comingAndGoingAtTheSameTimeDisturbsNobody() throws {
        let network = host.dualStack()
        let containers = try (0..<24).map { _ in try ContainerNamespace() }
        func call(_ command: String, _ number: Int) -> Call {
            host.call(command, network, in: containers[number], id: "c\(number)")
        }
        try runAll((0..<12).map { call("ADD", $0) }).forEach { $0.succeeded() }
        let mixed = (0..<12).flatMap { [call("DEL", $0), call("ADD", $0 + 12)] }
        try runAll(mixed).forEach { $0.succeeded() }
        #expect(try host.leases().count == 24)
        #expect(Set(try host.leases().values) == Set((12..<24).map { "c\($0)\r\neth0" }))
        #expect(try Network.ports().count == 12)
    }

    @Test func failedAddsBesideGoodOnesTakeNothingFromThem() throws {
        let network = host.dualStack()
        let containers = try (0..<24).map { _ in try ContainerNamespace() }
        let calls = containers.enumerated().map { number, container in
            host.call("ADD", network, in: container, id: "c\(number)")
                .with(["CNI_FAIL_AFTER_STEP": number % 2 == 0 ? nil : "\(number % 6 + 1)"])
        }
        let answers = try runAll(calls)
        for (number, answer) in answers.enumerated() where number % 2 == 0 {
            answer.succeeded()
            let call = host.call(
                "CHECK",
                network.with(["prevResult": answer.result]),
                in: containers[number],
                id: "c\(number)"
            )
            try call.run().succeeded()
        }
        #expect(try Network.ports().count == answers.count { $0.isSuccess })
        #expect(try host.leases().count == 2 * answers.count { $0.isSuccess })
    }

    @Test func oneAddOfManyForTheSameAttachmentWins() throws {
        let container = try ContainerNamespace()
        let call = host.call("ADD", host.dualStack(), in: container)
        let answers = try runAll(Array(repeating: call, count: 8))
        #expect(answers.count { $0.isSuccess } == 1)
        let result = try #require(answers.first { $0.isSuccess }).result
        try host.call("CHECK", host.dualStack(with: ["prevResult": result]), in: container).run().succeeded()
        #expect(try host.leases().count == 2)
    }

    @Test(arguments: ["ADD", "DEL"])
    func whatAKillLeavesIsRemovedByDeleteAndGarbageCollection(command: String) throws {
        var generator = SeededGenerator("kill \(command)")
        let killer = Killer(guessedMicroseconds: 10_000)
        var killed = 0
        let network = host.dualStack()
        for round in 0..<20 {
            let container = try ContainerNamespace()
            if command == "DEL" { try host.add(network, in: container) }
            let call = host.call(command, network, in: container)
            if try killer.run(call.process, at: generator.moment()).signal != nil { killed += 1 }
            if round % 2 == 0 { try host.call("DEL", network, in: container).run().succeeded() }
            // A delegate that outlived its caller may still be at work.
            try #require(try eventually { try Orphans.areGone() })
            try host.call("GC", network.with(["cni.dev/valid-attachments": []])).run().succeeded()
            #expect(try host.leases() == [:], "round \(round)")
            #expect(try Network.ports().isEmpty, "round \(round)")
        }
        #expect(killed > 0)
        try host.add(network, in: ContainerNamespace())
    }
}
