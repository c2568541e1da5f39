// SPDX-License-Identifier: Apache-2.0

import CLinux

/// The kernel's clocks and randomness.
public enum Clock {
    /// Nanoseconds since an arbitrary start that never run backwards.
    public static func monotonicNanoseconds() -> Int64 { linux_monotonic_time() }

    /// Nanoseconds since the kernel started, those among them in which the machine slept.
    public static func bootNanoseconds() -> Int64 { linux_boot_time() }

    /// The time of day in nanoseconds since 1970.
    public static func realNanoseconds() -> Int64 { linux_real_time() }

    /// Sixty-four random bits: getrandom(2).
    public static func entropy() throws(Errno) -> UInt64 {
        var bits: UInt64 = 0
        try unsafe check(linux_random(&bits, 8))
        return bits
    }

    /// The identifier that the kernel drew when it started, as it prints it.
    public static func bootIdentifier() throws(Errno) -> String {
        let bytes = try FileDescriptor.open("/proc/sys/kernel/random/boot_id").readAll()
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }
}
