// SPDX-License-Identifier: Apache-2.0

import CLinux

/// A program that was started and whose end is still to come: posix_spawn(3).
///
/// Its standard input is a file in memory, so that neither side can block the other; its output and error come through
/// pipes. It inherits the network namespace of the thread that starts it, and none of our signal settings.
public struct ChildProcess: ~Copyable {
    /// What a program left when it ended.
    public struct Outcome: Sendable {
        /// What it wrote to standard output.
        public let output: [UInt8]
        /// What it wrote to standard error.
        public let errorOutput: [UInt8]
        /// The code that it ended with, or nothing if a signal ended it.
        public let exitCode: Int?
        /// The signal that ended it, or 0.
        public let signal: Int
    }

    private let process: CInt
    private let output: FileDescriptor
    private let errorOutput: FileDescriptor
    private var hasEnded = false

    /// Starts a program with the given bytes on its standard input.
    public static func start(
        _ path: String,
        arguments: [String] = [],
        environment: Environment,
        input: [UInt8]
    ) throws(Errno) -> ChildProcess {
        let stdin = try FileDescriptor.memory(holding: input)
        let (outputReader, outputWriter) = try pipe()
        let (errorReader, errorWriter) = try pipe()
        var process: CInt = 0
        let result = unsafe CStrings([path] + arguments).withPointers { argv in
            unsafe CStrings(environment.entries).withPointers { envp in
                unsafe linux_spawn(
                    path,
                    argv,
                    envp,
                    stdin.rawValue,
                    outputWriter,
                    errorWriter,
                    &process
                )
            }
        }
        _ = linux_close(outputWriter)
        _ = linux_close(errorWriter)
        let output = FileDescriptor(owning: outputReader)
        let errorOutput = FileDescriptor(owning: errorReader)
        try check(result)
        return ChildProcess(process: process, output: output, errorOutput: errorOutput)
    }

    private init(process: CInt, output: consuming FileDescriptor, errorOutput: consuming FileDescriptor) {
        self.process = process
        self.output = output
        self.errorOutput = errorOutput
    }

    private static func pipe() throws(Errno) -> (reader: CInt, writer: CInt) {
        var ends: (CInt, CInt) = (-1, -1)
        let result = unsafe withUnsafeMutablePointer(to: &ends) { tuple in
            unsafe tuple.withMemoryRebound(to: CInt.self, capacity: 2) { unsafe linux_pipe($0) }
        }
        try check(result)
        return (ends.0, ends.1)
    }

    /// Collects all that the program writes and waits for its end.
    ///
    /// When `signals` becomes readable, the program is asked to end as well.
    public mutating func finish(signals: CInt) throws(Errno) -> Outcome {
        hasEnded = true
        return try Self.wait(process, output, errorOutput, signals: signals)
    }

    // A program that nobody waits for any more is told to end, and not left to run on behind the caller's back.
    deinit {
        if hasEnded { return }
        _ = linux_kill(process, 15)
        _ = try? Self.wait(process, output, errorOutput, signals: -1)
    }

    private static func wait(
        _ process: CInt,
        _ output: borrowing FileDescriptor,
        _ errorOutput: borrowing FileDescriptor,
        signals: CInt
    ) throws(Errno) -> Outcome {
        var (out, err): ([UInt8], [UInt8]) = ([], [])
        var waits = (
            linux_wait(descriptor: output.rawValue, ready: false),
            linux_wait(descriptor: errorOutput.rawValue, ready: false),
            linux_wait(descriptor: signals, ready: false)
        )
        // A negative descriptor is one that poll(2) leaves out.
        while waits.0.descriptor >= 0 || waits.1.descriptor >= 0 {
            let count = unsafe withUnsafeMutablePointer(to: &waits) { tuple in
                unsafe tuple.withMemoryRebound(to: linux_wait.self, capacity: 3) { unsafe linux_poll($0, 3, -1) }
            }
            if Errno(-count) == .interrupted { continue }
            try check(count)
            if waits.0.ready { waits.0.descriptor = try drain(output, into: &out) ? output.rawValue : -1 }
            if waits.1.ready { waits.1.descriptor = try drain(errorOutput, into: &err) ? errorOutput.rawValue : -1 }
            if waits.2.ready {
                _ = linux_kill(process, 15)
                waits.2.descriptor = -1
            }
        }
        var (code, signal): (CInt, CInt) = (0, 0)
        try unsafe check(linux_wait_for(process, &code, &signal))
        return Outcome(output: out, errorOutput: err, exitCode: code < 0 ? nil : Int(code), signal: Int(signal))
    }

    /// Reads what is there; says whether more may come.
    private static func drain(_ descriptor: borrowing FileDescriptor, into bytes: inout [UInt8]) throws(Errno) -> Bool {
        let chunk = try descriptor.read(upTo: 1 << 14)
        bytes += chunk
        return !chunk.isEmpty
    }
}

/// Strings laid out as C wants a list of them: one after the other, and an array of pointers that ends with null.
struct CStrings {
    private var bytes: [CChar] = []
    private var offsets: [Int] = []

    init(_ strings: [String]) {
        for string in strings {
            offsets.append(bytes.count)
            bytes.append(contentsOf: string.utf8.lazy.map { CChar(bitPattern: $0) })
            bytes.append(0)
        }
    }

    /// Calls a body with the array of pointers, which is good only while it runs.
    mutating func withPointersMutating(_ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> CInt) -> CInt {
        unsafe bytes.withUnsafeMutableBufferPointer { buffer in
            var pointers: [UnsafeMutablePointer<CChar>?] = unsafe []
            for offset in offsets { unsafe pointers.append(buffer.baseAddress.map { unsafe $0 + offset }) }
            unsafe pointers.append(nil)
            return unsafe pointers.withUnsafeBufferPointer { list in
                guard let base = list.baseAddress else { return CInt(-22) }
                return unsafe body(base)
            }
        }
    }

    /// Calls a body with the array of pointers, which is good only while it runs.
    func withPointers(_ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> CInt) -> CInt {
        var copy = self
        return unsafe copy.withPointersMutating(body)
    }
}
