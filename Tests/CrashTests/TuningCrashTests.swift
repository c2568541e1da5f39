// SPDX-License-Identifier: Apache-2.0

import Foundation
import Linux
import Support
import Testing

/// Calls of tuning that are killed at each of their system calls.
@Suite(.enabled(if: CrashingCall.strace != nil, "needs strace, to kill at a system call")) struct TuningCrashTests {
    private let directory: TemporaryDirectory
    private let container: ContainerNamespace

    init() throws {
        directory = try TemporaryDirectory()
        container = try ContainerNamespace()
        try container.inside {
            _ = try Programs.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "peer")
        }
    }

    /// A call for one container; a collection finds that there is none any more.
    private var call: PluginCall {
        let members =
            #","mtu":1400,"dataDir":"\#(directory.path)","cni.dev/valid-attachments":[],"#
            + #""prevResult":{"cniVersion":"1.1.0","interfaces":[],"ips":[]}"#
        return PluginCall("tuning", members).of(container, "c1")
    }

    private func files() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: directory.path) }

    @Test func whatAnAddLeavesThatIsKilledAnywhereIsCollected() throws {
        let add = CrashingCall(process: call.process("ADD"))
        var (kills, leftovers) = (0, 0)
        for point in try add.points() {
            if try add.isKilled(at: point) { kills += 1 }
            if try files().contains(where: { $0.hasPrefix(".new.") }) { leftovers += 1 }
            try call.call("GC")
            let left = try files()
            #expect(left.isEmpty, "after \(point)")
        }
        #expect(kills >= 20)
        #expect(leftovers >= 2)
    }

    @Test func whatIsBeingWrittenIsNotCollected() throws {
        try directory.write("", to: ".new.0123456789abcdef")
        func writer() throws -> FileLock {
            let opened = try FileDescriptor.open(directory.path, [.read, .directory])
            return try FileLock.acquire(opened, shared: true, limitMilliseconds: 0)
        }
        do {
            let lock = try writer()
            try call.call("GC")
            withExtendedLifetime(lock) {}
        }
        #expect(try files() == [".new.0123456789abcdef"])
        try call.call("GC")
        #expect(try files() == [])
    }
}
