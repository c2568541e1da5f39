// SPDX-License-Identifier: Apache-2.0

/// Kernel settings below /proc/sys, seen from the namespace of the calling thread: sysctl(8).
public enum Sysctl {
    /// Reads a setting, without the line end.
    @inline(never)
    public static func read(_ key: String) throws(Errno) -> String {
        let bytes = try FileDescriptor.open("/proc/sys/\(key)").readAll()
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    /// Writes a setting.
    @inline(never)
    public static func write(_ key: String, _ value: String) throws(Errno) {
        try FileDescriptor.open("/proc/sys/\(key)", .write).writeAll(Array(value.utf8))
        Trace.step("sysctl \(key) = \(value)")
    }

    /// Writes a setting only if it differs, so that a read-only /proc with the right values is no error.
    ///
    /// - Returns: What it was before, if it was changed.
    @discardableResult
    public static func ensure(_ key: String, _ value: String) throws(Errno) -> String? {
        let before = try read(key)
        if before == value { return nil }
        try write(key, value)
        return before
    }
}
