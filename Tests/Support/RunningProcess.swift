// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import Linux

/// A program that was started by a test and whose end is still to come.
public final class RunningProcess: Sendable {
    /// The number of the process.
    public let process: CInt
    // Held open, so that the program waits for input that never comes.
    private let silence: SharedDescriptor?
    private let stdout: SharedDescriptor?
    private let stderr: SharedDescriptor

    init(process: CInt, silence: SharedDescriptor?, stdout: SharedDescriptor?, stderr: SharedDescriptor) {
        self.process = process
        self.silence = silence
        self.stdout = stdout
        self.stderr = stderr
    }

    /// How many seconds a program may take that does not hang.
    public static let patience = 120.0

    /// Sends a signal to the program.
    public func send(_ signal: CInt) { _ = kill(process, signal) }

    /// Collects what the program writes and waits for its end; kills it when its time is over.
    public func finish(_ limitSeconds: Double = patience) throws -> PluginProcess.Outcome {
        let limit = Clock.monotonicNanoseconds() + Int64(limitSeconds * 1e9)
        var collected: [[UInt8]] = [[], []]
        var open = [stdout?.rawValue ?? -1, stderr.rawValue]
        var timedOut = false
        while open.contains(where: { $0 >= 0 }) {
            let left = (limit - Clock.monotonicNanoseconds()) / 1_000_000
            if left <= 0, !timedOut {
                timedOut = true
                send(SIGKILL)
            }
            var waits = open.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard poll(&waits, nfds_t(waits.count), timedOut ? 1000 : Int32(left)) > 0 else {
                if timedOut { break }
                continue
            }
            for index in open.indices where waits[index].revents != 0 {
                var chunk = [UInt8](repeating: 0, count: 1 << 16)
                let count = read(open[index], &chunk, chunk.count)
                if count > 0 { collected[index] += chunk.prefix(count) } else { open[index] = -1 }
            }
        }
        return try end(collected, limit: limit, timedOut: timedOut)
    }

    /// Waits for the process itself, which may close its streams and go on.
    private func end(_ collected: [[UInt8]], limit: Int64, timedOut: Bool) throws -> PluginProcess.Outcome {
        var timedOut = timedOut
        var status: CInt = 0
        while true {
            let ended = waitpid(process, &status, timedOut ? 0 : WNOHANG)
            if ended == process { break }
            if ended < 0, errno != EINTR { throw SpawnFailure(Errno(errno), "wait for process \(process)") }
            if ended == 0 {
                usleep(500)
                if Clock.monotonicNanoseconds() > limit {
                    timedOut = true
                    send(SIGKILL)
                }
            }
        }
        // What WIFEXITED and its like do, which are macros.
        let signal = Int(status & 0x7f)
        return PluginProcess.Outcome(
            stdout: collected[0],
            stderr: collected[1],
            exitCode: signal == 0 ? Int(status >> 8 & 0xff) : nil,
            signal: signal == 0 ? nil : signal,
            timedOut: timedOut
        )
    }
}

/// A descriptor with several owners, which closes itself after the last.
public final class SharedDescriptor: Sendable {
    private let descriptor: FileDescriptor

    /// The number that the kernel gave.
    public var rawValue: CInt { descriptor.rawValue }

    /// Takes a descriptor over.
    public init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }
}

/// Both ends of a pipe.
public struct Pipe: Sendable {
    /// The end to read from.
    public let reader: SharedDescriptor
    /// The end to write to.
    public let writer: SharedDescriptor

    /// Makes a pipe that programs do not inherit.
    public static func open() throws(Errno) -> Pipe {
        var ends: [CInt] = [-1, -1]
        let result = linux_pipe(&ends)
        if result < 0 { throw Errno(-result) }
        return Pipe(
            reader: SharedDescriptor(FileDescriptor(owning: ends[0])),
            writer: SharedDescriptor(FileDescriptor(owning: ends[1]))
        )
    }
}
