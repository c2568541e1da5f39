// SPDX-License-Identifier: Apache-2.0

import Linux
import Support
import Synchronization
import Testing

@testable import Netlink

/// Lists that change while they are being made.
@Suite(.ownNetworkNamespace) struct DumpTests {
    /// Whether the thread beside the test goes on.
    private final class Running: Sendable {
        private let value = Atomic(true)
        var isOn: Bool { value.load(ordering: .relaxed) }
        func stop() { value.store(false, ordering: .relaxed) }
    }

    /// A thread in the same namespace that makes and deletes interfaces as fast as it can; returns how many.
    private static func disturb(_ running: Running) -> BackgroundThread<Int> {
        BackgroundThread {
            var rounds = 0
            do {
                var kernel = try Kernel.open()
                while running.isOn {
                    try kernel.send { $0.addLink(NewLink(name: "x0", kind: .veth(peer: VethPeer(name: "y0")))) }
                    try kernel.send { $0.deleteLink("x0") }
                    rounds += 1
                }
            } catch {
                return -1
            }
            return rounds
        }
    }

    @Test func aListThatChangesIsNeverAnErrorAndMissesNothingThatStays() throws {
        var kernel = try Kernel.open()
        // More than one read holds, or nothing could be interrupted.
        let names = Set((0..<60).map { "stays\($0)" })
        for name in names { try kernel.send { $0.addLink(NewLink(name: name, kind: .bridge(filtersVLANs: false))) } }
        let running = Running()
        let thread = Self.disturb(running)
        defer { running.stop() }
        for _ in 0..<100 {
            let found = try kernel.links().map { $0.name }
            #expect(names.isSubset(of: found))
            #expect(Set(found).count == found.count)
        }
        running.stop()
        #expect(thread.join() > 0)
    }

    @Test func lookingUpWhatComesAndGoesIsNeverAnError() throws {
        var kernel = try Kernel.open()
        let running = Running()
        let thread = Self.disturb(running)
        defer { running.stop() }
        for _ in 0..<500 {
            let link = try kernel.link(named: "x0")
            #expect(link == nil || link?.kind == "veth")
        }
        running.stop()
        #expect(thread.join() > 0)
    }

    @Test func eventsTellOfNewInterfaces() throws {
        // RTMGRP_LINK.
        var events = try NetlinkSocket<NetlinkError>.open(protocol: 0, groups: 1)
        var kernel = try Kernel.open()
        #expect(try events.events(timeoutMilliseconds: 0).isEmpty)
        _ = try kernel.makeBridge("br0")
        let links = try events.events(timeoutMilliseconds: 1000).compactMap { Link($0) }
        #expect(links.contains { $0.name == "br0" })
    }
}
