// SPDX-License-Identifier: Apache-2.0

import CLinux
import Foundation
import Glibc
import Linux

/// A program to be run as a runtime runs a plugin: environment, standard input, and a namespace to start in.
public struct PluginProcess: Sendable {
    /// What the program finds on standard input.
    public enum Input: Sendable {
        /// These bytes and then the end.
        case bytes([UInt8])
        /// Nothing, and no end either.
        case silence
        /// No descriptor at all.
        case closed
    }

    /// What becomes of standard output.
    public enum Output: Sendable {
        /// It is collected.
        case collected
        /// There is no descriptor.
        case closed
        /// It is a pipe that nobody reads any more.
        case brokenPipe
        /// It is a device that is always full.
        case full
    }

    /// How a program ended and what it left.
    public struct Outcome: Sendable {
        /// What it wrote to standard output.
        public let stdout: [UInt8]
        /// What it wrote to standard error.
        public let stderr: [UInt8]
        /// The code that it ended with, or nothing if a signal ended it.
        public let exitCode: Int?
        /// The signal that ended it, or nothing.
        public let signal: Int?
        /// Whether it had to be killed because its time was over.
        public let timedOut: Bool

        /// Standard output as text.
        public var stdoutText: String { String(decoding: stdout, as: UTF8.self) }
        /// Standard error as text.
        public var stderrText: String { String(decoding: stderr, as: UTF8.self) }
    }

    /// The path of the executable.
    public var executable: String
    /// The arguments after the name.
    public var arguments: [String] = []
    /// The whole environment: nothing is inherited.
    public var environment: [String: String] = [:]
    /// What is on standard input.
    public var input: Input = .bytes([])
    /// What becomes of standard output.
    public var output: Output = .collected
    /// How long the program may take before it is killed as one that hangs.
    public var limitSeconds = RunningProcess.patience

    /// Describes a run of an executable.
    public init(_ executable: String, arguments: [String] = []) {
        self.executable = executable
        self.arguments = arguments
    }

    /// Runs the program to its end, started from a thread inside a network namespace.
    public func run(in namespace: borrowing NetworkNamespace) throws -> Outcome {
        try namespace.perform { () throws(SpawnFailure) in try start() }.finish(limitSeconds)
    }

    /// Runs the program to its end in the namespace of the calling thread.
    public func run() throws -> Outcome { try start().finish(limitSeconds) }

    /// Starts the program in the namespace of the calling thread, so that the test can act while it runs.
    public func start() throws(SpawnFailure) -> RunningProcess {
        Signals.ignoreBrokenPipes()
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        var (all, none) = (sigset_t(), sigset_t())
        sigfillset(&all)
        sigemptyset(&none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF) | Int16(POSIX_SPAWN_SETSIGMASK))
        let stdin = try openInput()
        let (stdout, stdoutReader) = try openOutput()
        let stderr = try SpawnFailure.attempt("make a pipe") { () throws(Errno) in try Pipe.open() }
        Self.connect(stdin.map { $0.reader.rawValue }, to: 0, &actions)
        Self.connect(stdout?.rawValue, to: 1, &actions)
        Self.connect(stderr.writer.rawValue, to: 2, &actions)
        var process: pid_t = 0
        let argv = ([executable] + arguments).map { strdup($0) } + [nil]
        let envp = environment.sorted { $0.key < $1.key }.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { (argv + envp).forEach { free($0) } }
        let code = posix_spawn(&process, executable, &actions, &attributes, argv, envp)
        guard code == 0 else { throw SpawnFailure(Errno(code), "start \(executable)") }
        return RunningProcess(
            process: process,
            silence: stdin?.writer,
            stdout: stdoutReader,
            stderr: stderr.reader
        )
    }

    private static func connect(_ source: CInt?, to target: CInt, _ actions: inout posix_spawn_file_actions_t) {
        if let source {
            posix_spawn_file_actions_adddup2(&actions, source, target)
        } else {
            posix_spawn_file_actions_addclose(&actions, target)
        }
    }

    private func openInput() throws(SpawnFailure) -> (reader: SharedDescriptor, writer: SharedDescriptor?)? {
        switch input {
        case .closed: return nil
        case .silence:
            let pipe = try SpawnFailure.attempt("make a pipe") { () throws(Errno) in try Pipe.open() }
            return (pipe.reader, pipe.writer)
        case .bytes(let bytes):
            let file = try SpawnFailure.attempt("make a file in memory") { () throws(Errno) in
                SharedDescriptor(try FileDescriptor.memory(holding: bytes))
            }
            return (file, nil)
        }
    }

    private func openOutput() throws(SpawnFailure) -> (child: SharedDescriptor?, reader: SharedDescriptor?) {
        switch output {
        case .closed: return (nil, nil)
        case .full:
            let file = try SpawnFailure.attempt("open /dev/full") { () throws(Errno) in
                SharedDescriptor(try FileDescriptor.open("/dev/full", .write))
            }
            return (file, nil)
        case .collected, .brokenPipe:
            let pipe = try SpawnFailure.attempt("make a pipe") { () throws(Errno) in try Pipe.open() }
            if case .brokenPipe = output { return (pipe.writer, nil) }
            return (pipe.writer, pipe.reader)
        }
    }
}

/// A program that could not be started.
public struct SpawnFailure: SystemFailure, CustomStringConvertible {
    /// The error number.
    public let errno: Errno?
    /// What failed and why.
    public let description: String

    /// Makes the failure of an operation.
    public init(_ errno: Errno, _ operation: String, kernelText: String?) {
        self.errno = errno
        description = "cannot \(operation): \(errno.description)"
    }
}
