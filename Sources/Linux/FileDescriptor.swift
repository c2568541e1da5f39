// SPDX-License-Identifier: Apache-2.0

import CLinux

/// A file descriptor that closes itself.
///
/// Nothing can copy it, so nothing can close it twice or use it after it is closed.
public struct FileDescriptor: ~Copyable, Sendable {
    /// How a file is opened: open(2).
    public struct Mode: OptionSet, Sendable {
        /// The bits of the C enumeration.
        public let rawValue: UInt32

        /// Wraps the bits of the C enumeration.
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// For reading.
        public static var read: Mode { Mode(rawValue: LINUX_READ.rawValue) }
        /// For writing.
        public static var write: Mode { Mode(rawValue: LINUX_WRITE.rawValue) }
        /// Made if it does not exist.
        public static var create: Mode { Mode(rawValue: LINUX_CREATE.rawValue) }
        /// Refused if it exists.
        public static var exclusive: Mode { Mode(rawValue: LINUX_EXCLUSIVE.rawValue) }
        /// Refused unless it is a directory.
        public static var directory: Mode { Mode(rawValue: LINUX_DIRECTORY.rawValue) }
        /// Emptied.
        public static var truncate: Mode { Mode(rawValue: LINUX_TRUNCATE.rawValue) }
        /// Written at its end.
        public static var append: Mode { Mode(rawValue: LINUX_APPEND.rawValue) }
        /// Refused if it is a symbolic link.
        public static var noFollow: Mode { Mode(rawValue: LINUX_NO_FOLLOW.rawValue) }
    }

    /// The number that the kernel gave.
    public let rawValue: CInt

    /// Takes ownership of a number.
    public init(owning rawValue: CInt) { self.rawValue = rawValue }

    deinit { _ = linux_close(rawValue) }

    /// Opens a file; a relative path starts at the working directory.
    public static func open(
        _ path: String,
        _ mode: Mode = .read,
        permissions: UInt32 = 0o644
    ) throws(Errno)
        -> FileDescriptor
    {
        FileDescriptor(owning: try unsafe check(linux_open_at(-1, path, CInt(mode.rawValue), permissions)))
    }

    /// Opens a file below this directory.
    public func open(_ path: String, _ mode: Mode = .read, permissions: UInt32 = 0o644) throws(Errno) -> FileDescriptor
    {
        FileDescriptor(owning: try unsafe check(linux_open_at(rawValue, path, CInt(mode.rawValue), permissions)))
    }

    /// Makes a file without a name, which lives in memory: memfd_create(2).
    public static func memory(holding bytes: [UInt8]) throws(Errno) -> FileDescriptor {
        let file = FileDescriptor(owning: try unsafe check(linux_memory_file("stdin")))
        try file.writeAll(bytes)
        try check(linux_rewind(file.rawValue))
        return file
    }

    /// Reads once, up to the given number of bytes; an empty result is the end.
    public func read(upTo count: Int) throws(Errno) -> [UInt8] {
        var failure: CInt = 0
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            let got = unsafe linux_read(rawValue, buffer.baseAddress, count)
            if got < 0 { failure = CInt(-got) } else { initialized = got }
        }
        if failure != 0 { throw Errno(failure) }
        return bytes
    }

    /// Reads to the end.
    public func readAll() throws(Errno) -> [UInt8] {
        var all = try readRetrying(upTo: 8192)
        guard all.count == 8192 else {
            // A short read of a file is nearly always all of it; only the next one can tell.
            let rest = all.isEmpty ? [] : try readRetrying(upTo: 8192)
            if rest.isEmpty { return all }
            all += rest
            return try readRest(after: all)
        }
        return try readRest(after: all)
    }

    private func readRest(after start: [UInt8]) throws(Errno) -> [UInt8] {
        var all = start
        while true {
            let chunk = try readRetrying(upTo: 1 << 16)
            if chunk.isEmpty { return all }
            all += chunk
        }
    }

    private func readRetrying(upTo count: Int) throws(Errno) -> [UInt8] {
        while true {
            do { return try read(upTo: count) } catch { if error != .interrupted { throw error } }
        }
    }

    /// Writes everything, however many calls it takes.
    public func writeAll(_ bytes: [UInt8]) throws(Errno) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let put = unsafe rest.withUnsafeBytes { unsafe linux_write(rawValue, $0.baseAddress, $0.count) }
            if put == -4 { continue }
            rest = rest.dropFirst(try check(put))
        }
    }

    /// The identity, size and time of the open file.
    public func status() throws(Errno) -> FileStatus {
        var native = linux_status()
        try unsafe check(linux_status_of(rawValue, &native))
        return FileStatus(native)
    }

    /// The identity, size and time of a file below this directory, or nothing if there is none.
    public func status(of path: String) throws(Errno) -> FileStatus? {
        try FileStatus.at(directory: rawValue, path)
    }

    /// Sets the time of last modification.
    public func setModified(_ time: FileTime) throws(Errno) {
        try check(linux_set_modified(rawValue, time.seconds, time.nanoseconds))
    }

    /// Gives the file a size whose blocks exist, so that writing through a mapping cannot fail for want of space.
    public func allocate(_ size: Int) throws(Errno) { try check(linux_allocate(rawValue, Int64(size))) }

    /// Gives a file below this directory a second name below another one: link(2).
    public func link(_ name: String, to other: borrowing FileDescriptor, as newName: String) throws(Errno) {
        try unsafe check(linux_link_at(rawValue, name, other.rawValue, newName))
    }

    /// Moves a file below this directory to another one, replacing what has the new name there: rename(2).
    public func rename(_ name: String, to other: borrowing FileDescriptor, as newName: String) throws(Errno) {
        try unsafe check(linux_rename_at(rawValue, name, other.rawValue, newName))
    }

    /// Removes a name below this directory; says whether there was one.
    @discardableResult
    public func remove(_ name: String) throws(Errno) -> Bool {
        let result = unsafe linux_unlink_at(rawValue, name, false)
        if Errno(-result) == .noSuchFile { return false }
        try check(result)
        return true
    }

    /// The names in this directory, without the two dots, in no particular order.
    public func names() throws(Errno) -> [String] {
        let copy = try unsafe check(linux_open_at(rawValue, ".", CInt(Mode([.read, .directory]).rawValue), 0))
        guard let stream = unsafe linux_directory_open(copy) else {
            _ = linux_close(copy)
            throw .inputOutput
        }
        defer { unsafe linux_directory_close(stream) }
        var names: [String] = []
        while let name = unsafe linux_directory_next(stream) {
            let text = unsafe String(cString: name)
            if text != "." && text != ".." { names.append(text) }
        }
        return names
    }
}

extension FileDescriptor {
    /// Writes a line to a descriptor that somebody else owns, for what must never fail.
    static func writeLine(_ line: String, to descriptor: CInt) {
        var line = line
        _ = line.withUTF8 { unsafe linux_write(descriptor, $0.baseAddress, $0.count) }
    }
}

/// Ends the process at once.
public func endProcess(_ code: CInt) -> Never { linux_exit(code) }

/// The number of this process.
public func processIdentifier() -> Int { Int(linux_process_id()) }
