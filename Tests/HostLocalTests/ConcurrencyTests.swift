// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Synchronization
import Testing

/// Many processes on one store.
@Suite(.seeded, .serialized) struct ConcurrencyTests {
    /// Sixteen at a time, more addresses than that at most, and so few that the pool goes round.
    private static let workers = 16
    private static let pool = #","ranges":[[{"subnet":"10.1.0.0/26"}],[{"subnet":"fd00::/122"}]]"#

    /// Who has which address as far as the callers know.
    private final class Ledger: Sendable {
        private let holders = Mutex<[String: String]>([:])
        private let failures = Mutex<[String]>([])

        func note(_ addresses: [String], _ holder: String) {
            for address in addresses {
                let other = holders.withLock { $0.updateValue(holder, forKey: address) }
                if let other { fail("\(address) was given to \(holder), but \(other) has it") }
            }
        }

        func forget(_ holder: String) { holders.withLock { $0 = $0.filter { $0.value != holder } } }

        func fail(_ text: String) { failures.withLock { $0.append(text) } }

        var complaints: [String] { failures.withLock { $0 } }
    }

    /// Runs a body in as many threads as there are workers, with generators of their own.
    private func inParallel(
        _ name: String,
        _ ledger: Ledger,
        _ body: @escaping @Sendable (Int, inout SeededGenerator) throws -> Void
    ) {
        let threads = (0..<Self.workers).map { worker in
            BackgroundThread {
                var generator = SeededGenerator("\(name)\(worker)")
                do { try body(worker, &generator) } catch { ledger.fail("\(error)") }
            }
        }
        for thread in threads { thread.join() }
    }

    private func expectNoDuplicates(
        _ name: String,
        rounds: Int,
        choose: @escaping @Sendable (Int, HostLocalNetwork) -> HostLocalNetwork
    ) throws {
        let network = try HostLocalNetwork(Self.pool)
        let ledger = Ledger()
        inParallel(name, ledger) { worker, generator in
            let own = choose(worker, network)
            for round in 0..<rounds {
                let holder = "c\(worker)-\(round)"
                let answer = try own.call("ADD", holder)
                if answer.exitCode != 0 || answer.addresses.count != 2 { ledger.fail("\(answer)") }
                ledger.note(answer.addresses, holder)
                if round % 4 == 0, try own.call("CHECK", holder).exitCode != 0 { ledger.fail("\(holder) is not found") }
                // Before the release, because somebody else may have the address right after it.
                ledger.forget(holder)
                if try own.call("DEL", holder).exitCode != 0 { ledger.fail("\(holder) cannot be released") }
            }
        }
        #expect(ledger.complaints.isEmpty)
        #expect(try network.leases().isEmpty)
    }

    @Test func sixteenProcessesNeverShareAnAddress() throws {
        try expectNoDuplicates("sixteenProcessesNeverShareAnAddress", rounds: 25) { $1 }
    }

    @Test(.enabled(if: HostLocalNetwork.hasReference, "needs /usr/lib/cni/host-local of containernetworking-plugins"))
    func nothingIsSharedWithTheReferenceEither() throws {
        try expectNoDuplicates("nothingIsSharedWithTheReferenceEither", rounds: 20) { worker, network in
            worker % 2 == 0 ? network : network.throughReference
        }
    }

    /// The whole pool, taken by one attachment after the other.
    private func expectWholePool(_ network: HostLocalNetwork) throws {
        let given = try (0..<61).flatMap { try network.add("whole\($0)") }
        #expect(Set(given).count == 122)
        #expect(try network.call("ADD", "over").code == 101)
    }

    @Test func processesThatAreKilledLeaveAddressesFreeOrOwned() throws {
        let network = try HostLocalNetwork(Self.pool)
        let ledger = Ledger()
        let killer = Killer(guessedMicroseconds: 10_000)
        inParallel("processesThatAreKilledLeaveAddressesFreeOrOwned", ledger) { worker, generator in
            for round in 0..<30 {
                let holder = "c\(worker)-\(round % 3)"
                let command = Bool.random(using: &generator) ? "ADD" : "DEL"
                let outcome = try killer.run(network.process(command, holder), at: generator.moment())
                let isDuplicate = outcome.stdoutText.contains("duplicate allocation")
                if outcome.signal == nil, outcome.exitCode != 0, !isDuplicate { ledger.fail(outcome.stdoutText) }
            }
        }
        #expect(ledger.complaints.isEmpty)
        let holders = (0..<Self.workers).flatMap { worker in (0..<3).map { "c\(worker)-\($0)" } }
        for (name, content) in try network.leases() {
            #expect(holders.contains { content == "\($0)\r\neth0" }, "\(name): \(content)")
        }
        for holder in holders {
            let own = try network.leases().filter { $0.value == "\(holder)\r\neth0" }
            let families = Set(own.keys.map { $0.contains(":") })
            #expect(own.count == families.count, "\(holder) has \(own.keys.sorted())")
            try network.delete(holder)
        }
        #expect(try network.leases().isEmpty)
        try expectWholePool(network)
    }
}
