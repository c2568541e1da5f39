// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Support
import Testing

/// The lock of the network while somebody else has it.
@Suite struct LockTests {
    private let network: HostLocalNetwork
    private let lock: CInt

    init() throws {
        network = try HostLocalNetwork()
        _ = try network.add("c0")
        lock = open("\(network.path)/lock", O_RDWR | O_CLOEXEC)
        #expect(flock(lock, LOCK_EX) == 0)
    }

    /// Starts a call and waits until it waits.
    private func startWaiting(_ command: String, _ containerID: String) throws -> RunningProcess {
        let running = try network.process(command, containerID).start()
        for _ in 0..<2000 {
            let locks = try String(contentsOfFile: "/proc/locks", encoding: .utf8).split(separator: "\n")
            let isWaiting = locks.contains { $0.contains("->") && $0.contains(" \(running.process) ") }
            if isWaiting { return running }
            usleep(5000)
        }
        running.send(SIGKILL)
        Issue.record("\(command) does not wait for the lock")
        return running
    }

    @Test(arguments: ["ADD", "DEL", "CHECK"]) func aCallWaitsForTheLockAndThenSucceeds(command: String) throws {
        defer { close(lock) }
        let running = try startWaiting(command, command == "ADD" ? "c1" : "c0")
        usleep(200_000)
        #expect(try network.leases().count == 1)
        #expect(flock(lock, LOCK_UN) == 0)
        let outcome = try running.finish()
        #expect(outcome.exitCode == 0, "\(outcome.stdoutText)")
        #expect(try network.leases().count == (command == "ADD" ? 2 : command == "DEL" ? 0 : 1))
    }

    @Test(arguments: [SIGTERM, SIGINT, SIGHUP]) func aCallThatIsToldToEndSaysThatItCanBeRepeated(signal: CInt) throws {
        defer { close(lock) }
        let running = try startWaiting("ADD", "c1")
        running.send(signal)
        let answer = try Answer(running.finish())
        answer.expectFailure(11, "cannot lock \(network.path) within 30000 ms", "EINTR")
        #expect(flock(lock, LOCK_UN) == 0)
        #expect(try network.leases().count == 1)
        #expect(try network.add("c1") == ["10.1.0.3"])
    }

    @Test func manyWaitersAllComeToTheirTurn() throws {
        defer { close(lock) }
        let waiting = try (1...8).map { try startWaiting("ADD", "c\($0)") }
        #expect(flock(lock, LOCK_UN) == 0)
        for running in waiting { #expect(try running.finish().exitCode == 0) }
        #expect(try network.leases().count == 9)
    }
}
