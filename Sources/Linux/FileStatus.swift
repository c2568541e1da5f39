// SPDX-License-Identifier: Apache-2.0

import CLinux

/// A point in time as a file system records it.
public struct FileTime: Equatable, Sendable {
    /// Seconds since 1970.
    public var seconds: Int64
    /// Nanoseconds within the second.
    public var nanoseconds: Int64

    /// Makes a time from seconds and nanoseconds.
    public init(seconds: Int64, nanoseconds: Int64) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }
}

/// The identity, kind, size and time of a file: stat(2).
public struct FileStatus: Sendable {
    /// The device that holds the file.
    public let device: UInt64
    /// The number of the file on its device.
    public let inode: UInt64
    /// Size in bytes.
    public let size: Int
    /// The time of last modification.
    public let modified: FileTime
    private let mode: UInt32

    init(_ native: linux_status) {
        device = native.device
        inode = native.inode
        size = Int(native.size)
        mode = native.mode
        modified = FileTime(seconds: native.modified_seconds, nanoseconds: native.modified_nanoseconds)
    }

    /// Whether the file is a regular one.
    public var isRegular: Bool { mode & 0o170000 == 0o100000 }

    /// Whether the file is a directory.
    public var isDirectory: Bool { mode & 0o170000 == 0o040000 }

    /// The status behind a path, after following links, or nothing if there is no such file.
    public static func of(_ path: String) throws(Errno) -> FileStatus? { try at(directory: -1, path) }

    static func at(directory: CInt, _ path: String) throws(Errno) -> FileStatus? {
        var native = linux_status()
        let result = unsafe linux_status_at(directory, path, &native)
        if Errno(-result) == .noSuchFile || Errno(-result) == .notDirectory { return nil }
        try check(result)
        return FileStatus(native)
    }

    /// Whether the caller may write to the path: access(2).
    public static func isWritable(_ path: String) -> Bool { unsafe linux_access(path, true, false) == 0 }

    /// Makes a directory and those above it that are missing.
    public static func makeDirectories(_ path: String, permissions: UInt32 = 0o755) throws(Errno) {
        let result = unsafe linux_make_directory(path, permissions)
        if result == 0 || Errno(-result) == .fileExists { return }
        guard Errno(-result) == .noSuchFile, let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")),
            slash != path.startIndex
        else {
            throw Errno(-result)
        }
        try makeDirectories(String(path[..<slash]), permissions: permissions)
        let again = unsafe linux_make_directory(path, permissions)
        if Errno(-again) != .fileExists { try check(again) }
    }
}
