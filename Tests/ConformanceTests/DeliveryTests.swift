// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Support
import Testing

/// An ADD whose result cannot be delivered or that is told to end is undone: P-3, P-4, D4 of the design.
@Suite("Results that reach nobody, and signals", .privateHost)
struct DeliveryTests {
    private let host: Host
    private let container: ContainerNamespace

    init() throws {
        host = try Host()
        container = try ContainerNamespace()
    }

    @Test(arguments: ProtocolTests.plugins, [PluginProcess.Output.closed, .brokenPipe, .full])
    func anAddThatNobodyHearsOfIsUndone(plugin: String, output: PluginProcess.Output) throws {
        // Up once and down again, because the kernel keeps the loopback's address.
        for state in ["up", "down"] { try container.inside { try Network.run("ip link set lo \(state)") } }
        let before = try host.state(container)
        var call = host.call("ADD", host.network(plugin), in: container)
        call.output = output
        let answer = try call.run()
        #expect(answer.exitCode == 1, "\(answer)")
        try host.expectUnchanged(since: before, container)
    }

    @Test(arguments: [PluginProcess.Output.closed, .brokenPipe, .full])
    func otherCommandsNeedNobodyToListen(output: PluginProcess.Output) throws {
        let result = try host.add(host.dualStack(), in: container)
        for command in ["CHECK", "STATUS", "DEL"] {
            var call = host.call(command, host.dualStack(with: ["prevResult": result]), in: container)
            call.output = output
            #expect(try call.run().isSuccess)
        }
        #expect(try host.leases() == [:])
    }

    @Test func anErrorThatNobodyHearsOfIsStillAnError() throws {
        for output in [PluginProcess.Output.closed, .brokenPipe, .full] {
            var call = host.call("ADD", host.network("bridge", with: ["name": "-"]), in: container)
            call.output = output
            let answer = try call.run()
            #expect(answer.exitCode == 1)
            #expect(answer.stderr.contains("invalid characters found in network name"), "\(answer)")
        }
    }

    @Test(arguments: [SIGTERM, SIGINT, SIGHUP])
    func aSignalWhileADelegateWorksUndoesTheAdd(signal: CInt) throws {
        let fake = try FakePlugin(on: host, ["ADD": "exec /bin/sleep 20"])
        let before = try host.state(container)
        let network = host.network("bridge", with: ["ipam": ["type": "fake"]])
        let call = host.call("ADD", network, in: container).with(["CNI_PATH": fake.path])
        let clock = ContinuousClock()
        let start = clock.now
        let running = try call.start()
        try waitUntil { fake.commands == ["ADD"] }
        running.send(signal)
        let answer = try call.finish(running)
        #expect(clock.now - start < .seconds(18))
        answer.failed(11)
        #expect(fake.commands == ["ADD", "DEL"])
        try host.expectUnchanged(since: before, container)
    }

    @Test func aSignalRightAfterTheStartUndoesTheAddWithoutWaitingForTheDelegate() throws {
        let fake = try FakePlugin(on: host, ["ADD": "exec /bin/sleep 20"])
        let before = try host.state(container)
        let network = host.network("bridge", with: ["ipam": ["type": "fake"]])
        let call = host.call("ADD", network, in: container).with(["CNI_PATH": fake.path])
        let clock = ContinuousClock()
        for pause in stride(from: 500, to: 8000, by: 1500) as StrideTo<UInt32> {
            let start = clock.now
            let running = try call.start()
            usleep(pause)
            running.send(SIGTERM)
            let outcome = try running.finish()
            #expect(clock.now - start < .seconds(18))
            // Before the plugin can hold the signal back it ends by it, and nothing was done yet.
            if outcome.signal == nil { #expect(outcome.exitCode == 1) }
            try host.expectUnchanged(since: before, container)
        }
    }

    @Test(arguments: ["bridge", "host-local"])
    func aSignalWhileThePluginWaitsForALockUndoesTheAdd(plugin: String) throws {
        try host.add(host.network(plugin), in: container)
        let before = try host.state(container)
        let lock = unsafe open("\(host.dataDir)/lan/lock", O_RDWR | O_CLOEXEC)
        defer { close(lock) }
        #expect(flock(lock, LOCK_EX) == 0)
        let call = host.call("ADD", host.network(plugin), in: container, id: "c2", interface: "eth2")
        let running = try call.start()
        // The delegate that waits is another process.
        let file =
            "\(try FileManager.default.attributesOfItem(atPath: "\(host.dataDir)/lan/lock")[.systemFileNumber] ?? 0)"
        try waitUntil { LockWaiters.contain(":\(file) ") }
        running.send(SIGTERM)
        usleep(100_000)
        // The release that undoes the ADD needs the lock as well.
        #expect(flock(lock, LOCK_UN) == 0)
        try call.finish(running).failed(11)
        try host.expectUnchanged(since: before, container)
    }

    @Test func aSignalWhileStandardInputIsSilentEndsTheCall() throws {
        for plugin in ProtocolTests.plugins {
            var call = host.call("ADD", host.network(plugin), in: container)
            call.input = .silence
            let running = try call.start()
            // Before it holds the signal back it ends by it.
            try waitUntil { Self.holdsBack(SIGTERM, running.process) }
            running.send(SIGTERM)
            try call.finish(running).failed(11)
        }
    }

    @Test func anIgnoredSignalIsNoneForDelegates() throws {
        let fake = try FakePlugin(on: host, ["STATUS": "/bin/grep -E '^Sig(Blk|Ign)' /proc/self/status >&2"])
        let network = host.network("bridge", with: ["ipam": ["type": "fake"]])
        let answer = try host.call("STATUS", network).with(["CNI_PATH": fake.path]).run().succeeded()
        for line in answer.stderr.split(separator: "\n") where line.hasPrefix("Sig") {
            let set = line.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) }
            // Signals 32 and 33 are the C library's own.
            #expect(set.map { $0 & ~0x1_8000_0000 } == 0, "\(line)")
        }
    }

    private func waitUntil(_ isTrue: () -> Bool) throws {
        let becameTrue = eventually(30, isTrue)
        try #require(becameTrue)
    }

    /// Whether a process blocks a signal.
    private static func holdsBack(_ signal: CInt, _ process: CInt) -> Bool {
        let status = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("SigBlk:\t") }
        return line.flatMap { UInt64($0.dropFirst(8), radix: 16) }.map { $0 >> (signal - 1) & 1 == 1 } ?? false
    }
}
