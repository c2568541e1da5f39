// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Linux
import Support
import Testing

/// Calls of bridge with host-local that are killed at many of their system calls, and those of host-local with them.
@Suite(
    .ownNetworkNamespace,
    .enabled(if: CrashingCall.strace != nil, "needs strace, to kill at a system call")
)
struct BridgeCrashTests {
    /// Every so many of the calls; more than one would save time.
    private static let step = 1

    /// The names of the interfaces of the calling thread's namespace.
    private static func interfaces() -> Set<String> {
        guard let list = if_nameindex() else { return [] }
        defer { if_freenameindex(list) }
        var names: Set<String> = []
        var entry = list
        while entry.pointee.if_index != 0, let name = entry.pointee.if_name {
            names.insert(String(cString: name))
            entry += 1
        }
        return names
    }

    /// A namespace and its container's, as they were and as they must be again.
    private struct Before {
        let container: ContainerNamespace
        let host: HostState
        let inside: HostState

        /// Takes the states, which have no more to settle: the bridge has lost its last port.
        init(_ container: ContainerNamespace) throws {
            self.container = container
            host = try HostState()
            inside = try HostState(of: container)
        }

        /// What is different now; the state of a bridge follows its ports with a delay, so it is given some time.
        func difference() throws -> String {
            var text = ""
            _ = try eventually {
                let differences = try [
                    HostState().difference(from: host), HostState(of: container).difference(from: inside),
                ]
                text = differences.map { $0.description }.joined()
                return text.isEmpty
            }
            return text
        }
    }

    init() throws {
        // Its own addresses come and go by the clock.
        try FileDescriptor.open("/proc/sys/net/ipv6/conf/default/disable_ipv6", .write).writeAll(Array("1".utf8))
    }

    /// Kills a command at many calls, each time after what must go before.
    private func expectRecovery(_ command: String, atLeast least: Int, preparing: (CrashNetwork) throws -> Void) throws
    {
        let container = try ContainerNamespace()
        let network = try CrashNetwork(type: "bridge", netns: container.path)
        // The bridge and its address are shared, and stay.
        try network.call("ADD", after: nil)
        let call = CrashingCall(process: network.process(command))
        try network.call("DEL", after: nil)
        try preparing(network)
        let points = try call.points()
        try network.call("DEL", after: nil)
        let before = try Before(container)
        var kills = 0
        for point in stride(from: 0, to: points.count, by: Self.step).map({ points[$0] }) {
            try preparing(network)
            if try call.isKilled(at: point) { kills += 1 }
            try network.expectRecovery(after: point) {
                try Self.interfaces() == ["lo", "crash0"] && container.inside { Self.interfaces() } == ["lo"]
            }
            guard kills % 12 == 0 else { continue }
            let difference = try before.difference()
            #expect(difference.isEmpty, "after \(point)")
        }
        #expect(kills >= least)
        #expect(try before.difference() == "")
    }

    @Test func anAddThatIsKilledAnywhereIsUndoneByDelete() throws {
        try expectRecovery("ADD", atLeast: 15) { _ in }
    }

    @Test func aDeleteThatIsKilledAnywhereCanBeRepeated() throws {
        try expectRecovery("DEL", atLeast: 10) { try $0.call("ADD", after: nil) }
    }

    @Test func anAddWhoseAddressPluginIsKilledFailsAndLeavesNothing() throws {
        let container = try ContainerNamespace()
        let network = try CrashNetwork(type: "bridge", netns: container.path)
        try network.call("ADD", after: nil)
        try network.call("DEL", after: nil)
        let before = try Before(container)
        let folder = try TemporaryDirectory()
        let strace = try #require(CrashingCall.strace)
        // Only an ADD of the delegate is killed, not the DEL by which its caller cleans up.
        try folder.write(
            """
            #!/bin/sh
            [ "$CNI_COMMAND" = ADD ] || exec \(Executables.path("host-local"))
            exec \(strace) -f -o /dev/null -e $KILL_AT -- \(Executables.path("host-local"))
            """,
            to: "host-local",
            permissions: 0o755
        )
        let alone = try CrashNetwork(type: "host-local")
        let points = try CrashingCall(process: alone.process("ADD")).points()
        try alone.call("DEL", after: nil)
        var kills = 0
        for point in stride(from: 0, to: points.count, by: Self.step).map({ points[$0] }) {
            var process = network.process("ADD")
            process.environment["CNI_PATH"] = folder.path
            process.environment["KILL_AT"] = point.option
            let outcome = try process.run()
            if outcome.exitCode == 0 {
                try network.call("DEL", after: point)
                continue
            }
            kills += 1
            #expect(outcome.stdoutText.contains("host-local ended"), "\(outcome.stdoutText)")
            let (leases, names) = (try network.leases(), Self.interfaces())
            #expect(leases.isEmpty, "after \(point)")
            #expect(names == ["lo", "crash0"], "after \(point)")
        }
        #expect(kills >= 8)
        try network.call("DEL", after: nil)
        #expect(try before.difference() == "")
    }
}
