// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// Calls of host-local that are killed at each of their system calls.
@Suite(.enabled(if: CrashingCall.strace != nil, "needs strace, to kill at a system call")) struct HostLocalCrashTests {
    private let network: CrashNetwork

    init() throws { network = try CrashNetwork(type: "host-local") }

    @Test func anAddThatIsKilledAnywhereIsUndoneByDelete() throws {
        let call = CrashingCall(process: network.process("ADD"))
        let points = try call.points()
        try network.call("DEL", after: nil)
        var kills = 0
        for point in points {
            if try call.isKilled(at: point) { kills += 1 }
            try network.expectRecovery(after: point) { true }
        }
        #expect(kills >= 25)
    }

    @Test func aDeleteThatIsKilledAnywhereCanBeRepeated() throws {
        try network.call("ADD", after: nil)
        let call = CrashingCall(process: network.process("DEL"))
        var kills = 0
        for point in try call.points() {
            try network.call("ADD", after: point)
            if try call.isKilled(at: point) { kills += 1 }
            try network.expectRecovery(after: point) { true }
        }
        #expect(kills >= 20)
    }

    @Test func anAddThatIsKilledAnywhereIsGoneOnWithByTheNextAdd() throws {
        // Another container comes at once, before anybody has called DEL; no address may be passed over.
        let network = try CrashNetwork(type: "host-local", subnet: "10.1.0.0/29")
        let call = CrashingCall(process: network.process("ADD"))
        let points = try call.points()
        try network.call("DEL", after: nil)
        for point in points {
            _ = try call.isKilled(at: point)
            let (leases, last) = (try network.leases(), network.lastReserved())
            let order = [Int](2...6).sorted { ($0 <= last ? 1 : 0, $0) < ($1 <= last ? 1 : 0, $1) }
            let next = try #require(order.first { !leases.contains("10.1.0.\($0)") })
            try network.call("ADD", "c2", after: point)
            let given = try network.leases()
            #expect(given.sorted() == (leases + ["10.1.0.\(next)"]).sorted(), "after \(point)")
            try network.call("DEL", after: point)
            try network.call("DEL", "c2", after: point)
            let left = try network.leases()
            #expect(left.isEmpty, "after \(point)")
        }
    }
}
