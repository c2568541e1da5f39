// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import Linux
import Support
import Testing

/// Locks on files, between holders in this process and in others.
@Suite struct FileLockTests {
    private let directory: TemporaryDirectory
    private let path: String

    init() throws {
        directory = try TemporaryDirectory()
        path = try directory.write("", to: "lock")
    }

    private static func acquire(_ path: String, shared: Bool = false, limit: Int64 = 5000) throws(Errno) -> FileLock {
        try FileLock.acquire(try FileDescriptor.open(path), shared: shared, limitMilliseconds: limit)
    }

    /// A program that holds the lock until it is ended.
    private func startHolder() throws -> RunningProcess {
        let flock = try #require(Programs.path("flock"))
        let script = "echo held; exec sleep 60"
        var holder = PluginProcess(flock, arguments: ["--no-fork", path, "/bin/sh", "-c", script])
        holder.environment = ["PATH": "/usr/bin:/bin"]
        let process = try holder.start()
        // It holds the lock once nobody else can get it.
        let file = try FileDescriptor.open(path)
        if eventually(30, { flockFails(file.rawValue) }) { return process }
        process.send(SIGKILL)
        throw Errno.timedOut
    }

    private func flockFails(_ descriptor: CInt) -> Bool {
        if linux_lock(descriptor, false, false) != 0 { return true }
        _ = flock(descriptor, LOCK_UN)
        return false
    }

    @Test func aLockEndsWithItsValue() throws {
        for _ in 0..<3 { _ = try Self.acquire(path) }
        let file = try FileDescriptor.open(path)
        #expect(!flockFails(file.rawValue))
    }

    @Test func aLockExcludesOthersWhileItLives() throws {
        let file = try FileDescriptor.open(path)
        let lock = try Self.acquire(path)
        #expect(flockFails(file.rawValue))
        withExtendedLifetime(lock) {}
    }

    @Test func sharedLocksDoNotExcludeEachOther() throws {
        let first = try Self.acquire(path, shared: true)
        let second = try Self.acquire(path, shared: true)
        let file = try FileDescriptor.open(path)
        #expect(linux_lock(file.rawValue, true, false) == 0)
        #expect(linux_lock(file.rawValue, false, false) != 0)
        withExtendedLifetime(first) {}
        withExtendedLifetime(second) {}
    }

    @Test func aLockThatWasWaitedForIsGot() throws {
        let path = path
        let file = try FileDescriptor.open(path)
        #expect(linux_lock(file.rawValue, false, true) == 0)
        let waiter = BackgroundThread { (try? Self.acquire(path, limit: 10_000)) != nil }
        usleep(30_000)
        #expect(flock(file.rawValue, LOCK_UN) == 0)
        #expect(waiter.join())
    }

    @Test func aHolderThatDiesGivesTheLockBack() throws {
        let holder = try startHolder()
        let path = path
        let waiter = BackgroundThread { (try? Self.acquire(path, limit: 10_000)) != nil }
        usleep(20_000)
        holder.send(SIGKILL)
        #expect(waiter.join())
        #expect(try holder.finish().signal == Int(SIGKILL))
    }

    /// Runs a body in a process with a single thread, as a plugin is, and exits with the code that it returns.
    ///
    /// The timer's signal goes to some thread of the process, and only the one that waits should get it. Forking is
    /// sound here because the process of an exit test has nothing else to do.
    private static func exitFromSingleThread(_ body: () throws -> CInt) throws {
        let child = fork()
        if child == 0 { _exit((try? body()) ?? 255) }
        var (code, signal): (CInt, CInt) = (0, 0)
        try #require(linux_wait_for(child, &code, &signal) == 0)
        exit(signal == 0 ? code : 254)
    }

    /// Takes a lock, tries to take it again, and returns the error number.
    private static func secondAttempt(limit: Int64, _ whileHeld: () throws -> Void = {}) throws -> CInt {
        let directory = try TemporaryDirectory()
        let path = try directory.write("", to: "lock")
        let held = try acquire(path, limit: 0)
        defer { withExtendedLifetime(held) {} }
        try whileHeld()
        do { _ = try acquire(path, limit: limit) } catch { return error.rawValue }
        return 0
    }

    @Test func aLimitThatPassesIsTheErrorWouldBlock() async {
        await #expect(processExitsWith: .exitCode(EAGAIN)) {
            try Self.exitFromSingleThread {
                let start = Clock.monotonicNanoseconds()
                let code = try Self.secondAttempt(limit: 120)
                let waited = (Clock.monotonicNanoseconds() - start) / 1_000_000
                return (120..<5000).contains(waited) ? code : 253
            }
        }
    }

    @Test func aRequestToEndBreaksTheWaitOff() async {
        await #expect(processExitsWith: .exitCode(EINTR)) {
            try Self.exitFromSingleThread {
                let signals = try Termination.hold()
                return try Self.secondAttempt(limit: 60_000) {
                    try #require(!Termination.isPending)
                    raise(SIGTERM)
                    try #require(Termination.isPending)
                    try #require(Poll.isReadable(signals.rawValue, timeoutMilliseconds: 0))
                }
            }
        }
    }
}
