// SPDX-License-Identifier: Apache-2.0

import CLinux

/// Standard input, output and error of the process.
public enum StandardStreams {
    /// Reads standard input to its end, or until the process is told to end.
    ///
    /// - Throws: EINTR when a signal came first.
    public static func readInput(signals: CInt) throws(Errno) -> [UInt8] {
        var all: [UInt8] = []
        while true {
            var waits = (
                linux_wait(descriptor: 0, ready: false), linux_wait(descriptor: signals, ready: false)
            )
            let count = unsafe withUnsafeMutablePointer(to: &waits) { tuple in
                unsafe tuple.withMemoryRebound(to: linux_wait.self, capacity: 2) { unsafe linux_poll($0, 2, -1) }
            }
            if Errno(-count) == .interrupted { continue }
            try check(count)
            if waits.1.ready { throw .interrupted }
            let chunk = try readInput(upTo: 1 << 16)
            if chunk.isEmpty { return all }
            all += chunk
        }
    }

    /// Reads standard input once; nothing is its end.
    public static func readInput(upTo count: Int) throws(Errno) -> [UInt8] {
        var failure: CInt = 0
        let chunk = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            let got = unsafe linux_read(0, buffer.baseAddress, buffer.count)
            if got < 0 { failure = CInt(-got) } else { initialized = got }
        }
        if failure != 0 { throw Errno(failure) }
        return chunk
    }

    /// Writes a whole document to standard output.
    public static func writeOutput(_ bytes: [UInt8]) throws(Errno) { try write(bytes, to: 1) }

    /// Writes a line to standard error; that nobody listens is no error.
    public static func log(_ line: String) { try? write(Array((line + "\n").utf8), to: 2) }

    /// Writes bytes to standard error as they are.
    public static func forwardError(_ bytes: [UInt8]) { try? write(bytes, to: 2) }

    private static func write(_ bytes: [UInt8], to descriptor: CInt) throws(Errno) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let put = unsafe rest.withUnsafeBytes { unsafe linux_write(descriptor, $0.baseAddress, $0.count) }
            if Errno(CInt(-put)) == .interrupted { continue }
            rest = rest.dropFirst(try check(put))
        }
    }

    /// Whether standard input is a terminal.
    public static var inputIsTerminal: Bool { linux_is_terminal(0) }

    /// Whether standard output is a terminal.
    public static var outputIsTerminal: Bool { linux_is_terminal(1) }
}
