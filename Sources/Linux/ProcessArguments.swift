// SPDX-License-Identifier: Apache-2.0

import CLinux

/// How this process was started, as the kernel remembers it.
public enum ProcessArguments {
    /// The words of the command line behind the name of the program.
    ///
    /// Read from the kernel, because Embedded Swift has no other way to them.
    public static func current() throws(Errno) -> [String] {
        let bytes = try FileDescriptor.open("/proc/self/cmdline").readAll()
        // Each word ends with a zero byte, so the last piece is not a word.
        return bytes.split(separator: 0, omittingEmptySubsequences: false).dropFirst().dropLast()
            .map { String(decoding: $0, as: UTF8.self) }
    }

    /// The path of the executable.
    public static func executable() throws(Errno) -> String { try target(of: "/proc/self/exe") }

    /// The working directory.
    public static func workingDirectory() throws(Errno) -> String { try target(of: "/proc/self/cwd") }

    /// Whether the process may do what only root may.
    public static var isRoot: Bool { linux_effective_user() == 0 }

    private static func target(of link: String) throws(Errno) -> String {
        var failure: CInt = 0
        let bytes = unsafe [CChar](unsafeUninitializedCapacity: 4096) { buffer, initialized in
            guard let base = buffer.baseAddress else { return }
            let got = unsafe linux_read_link(link, base, buffer.count)
            if got < 0 { failure = CInt(-got) } else { initialized = got }
        }
        if failure != 0 { throw Errno(failure) }
        return String(decoding: bytes.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
