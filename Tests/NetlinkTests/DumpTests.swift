// SPDX-License-Identifier: Apache-2.0

import Linux
import Support
import Synchronization
import Testing

@testable import Netlink

/// Lists that change while they are being made.
@Suite(.ownNetworkNamespace) struct DumpTests {
    /// Whether the thread beside the test goes on, and how often it has made and deleted an interface.
    private final class Running: Sendable {
        private let value = Atomic(true)
        private let count = Atomic(0)
        var isOn: Bool { value.load(ordering: .relaxed) }
        var rounds: Int { count.load(ordering: .relaxed) }
        func stop() { value.store(false, ordering: .relaxed) }
        func countRound() { count.add(1, ordering: .relaxed) }
    }

    /// A thread in the same namespace that makes and deletes interfaces as fast as it can; returns whether it always could.
    private static func disturb(_ running: Running) -> BackgroundThread<Bool> {
        BackgroundThread {
            do {
                var kernel = try Kernel.open()
                while running.isOn {
                    try kernel.send { $0.addLink(NewLink(name: "x0", kind: .veth(peer: VethPeer(name: "y0")))) }
                    try kernel.send { $0.deleteLink("x0") }
                    running.countRound()
                }
            } catch {
                return false
            }
            return true
        }
    }

    /// Does something many times while a thread disturbs it, however late that one begins.
    private static func repeatDisturbed(_ times: Int, _ body: () throws -> Void) throws {
        let running = Running()
        let thread = Self.disturb(running)
        defer { running.stop() }
        for _ in 0..<times { try body() }
        let isDisturbed = try eventually {
            try body()
            return running.rounds > 20
        }
        running.stop()
        #expect(thread.join() && isDisturbed)
    }

    @Test func aListThatChangesIsNeverAnErrorAndMissesNothingThatStays() throws {
        var kernel = try Kernel.open()
        // More than one read holds, or nothing could be interrupted.
        let names = Set((0..<60).map { "stays\($0)" })
        for name in names { try kernel.send { $0.addLink(NewLink(name: name, kind: .bridge(filtersVLANs: false))) } }
        try Self.repeatDisturbed(100) {
            let found = try kernel.links().map { $0.name }
            #expect(names.isSubset(of: found))
            #expect(Set(found).count == found.count)
        }
    }

    @Test func lookingUpWhatComesAndGoesIsNeverAnError() throws {
        var kernel = try Kernel.open()
        try Self.repeatDisturbed(500) {
            let link = try kernel.link(named: "x0")
            #expect(link == nil || link?.kind == "veth")
        }
    }

    @Test func eventsTellOfNewInterfaces() throws {
        // RTMGRP_LINK.
        var events = try NetlinkSocket<NetlinkError>.open(protocol: 0, groups: 1)
        var kernel = try Kernel.open()
        #expect(try events.events(timeoutMilliseconds: 0).isEmpty)
        _ = try kernel.makeBridge("br0")
        #expect(
            try eventually {
                try events.events(timeoutMilliseconds: 1000).compactMap { Link($0) }.contains { $0.name == "br0" }
            }
        )
    }
}
