// SPDX-License-Identifier: Apache-2.0

import CLinux

/// The view of the file system that this process has: mount_namespaces(7).
public enum Mounts {
    /// Gives the process network and mount namespaces of its own, from which no mount gets out: unshare(2).
    public static func leaveHost() throws(Errno) {
        try check(linux_unshare(true, true))
        try unsafe check(linux_mount("none", "/", nil, false, true, nil))
    }

    /// Mounts a file system of a type, such as tmpfs, on a directory: mount(2).
    public static func mount(_ type: String, on target: String, options: String = "") throws(Errno) {
        try unsafe check(linux_mount(type, target, type, false, false, options))
    }

    /// Makes a file or directory appear at a second place.
    public static func bind(_ source: String, to target: String) throws(Errno) {
        try unsafe check(linux_mount(source, target, nil, true, false, nil))
    }
}

/// A view of the file system, held open by a descriptor: mount_namespaces(7).
public struct MountNamespace: ~Copyable {
    private let descriptor: FileDescriptor

    /// The view of the calling process.
    public static func current() throws(Errno) -> MountNamespace {
        MountNamespace(descriptor: try FileDescriptor.open("/proc/thread-self/ns/mnt"))
    }

    /// Runs a body with the process inside this namespace; paths must be complete there, and afterwards too.
    ///
    /// For processes with one thread: the kernel refuses others. One that cannot find its way back is of no use to anybody,
    /// so failing to return ends it.
    public func perform<R: ~Copyable, E: SystemFailure>(_ body: () throws(E) -> R) throws(E) -> R {
        let home = try E.attempt("enter the mount namespace") { () throws(Errno) in
            let home = try MountNamespace.current()
            try check(linux_enter_mount_namespace(descriptor.rawValue))
            return home
        }
        defer { home.returnHome() }
        return try body()
    }

    private func returnHome() {
        guard linux_enter_mount_namespace(descriptor.rawValue) < 0 else { return }
        StandardStreams.log("cannot return to the host's mount namespace")
        endProcess(1)
    }
}

extension NetworkNamespace {
    /// Makes a namespace that lives as long as its mount on a new file; the calling thread stays where it is.
    public static func create(mountedOn path: String) throws(Errno) {
        let home = try NetworkNamespace.current()
        _ = try FileDescriptor.open(path, [.write, .create, .exclusive], permissions: 0o444)
        try check(linux_unshare(true, false))
        let result = unsafe linux_mount("/proc/thread-self/ns/net", path, nil, true, false, nil)
        guard linux_enter_network_namespace(home.rawValue) >= 0 else {
            StandardStreams.log("cannot return to the host's network namespace")
            endProcess(1)
        }
        try check(result)
    }
}
