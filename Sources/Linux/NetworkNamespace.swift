// SPDX-License-Identifier: Apache-2.0

import CLinux

/// A network namespace, held open by a descriptor: network_namespaces(7).
public struct NetworkNamespace: ~Copyable {
    private let descriptor: FileDescriptor

    /// The number by which messages to the kernel name the namespace.
    public var rawValue: CInt { descriptor.rawValue }

    private init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

    /// Opens the namespace behind a path.
    ///
    /// - Throws: ENOENT if nothing is there, EINVAL if what is there is no namespace, which is what a reboot leaves of
    ///   a mount point.
    public static func open(_ path: String) throws(Errno) -> NetworkNamespace {
        let descriptor = try FileDescriptor.open(path)
        guard linux_is_network_namespace(descriptor.rawValue) else { throw .invalidArgument }
        return NetworkNamespace(descriptor)
    }

    /// The namespace of the calling thread.
    ///
    /// Not that of the process: /proc/self names the main thread's, whichever thread asks.
    public static func current() throws(Errno) -> NetworkNamespace { try open("/proc/thread-self/ns/net") }

    /// Whether a path leads to the namespace of the calling thread.
    ///
    /// By device and number, which tell living namespaces apart.
    public static func isCurrent(_ path: String) -> Bool {
        guard let theirs = try? FileStatus.of(path), let own = try? FileStatus.of("/proc/thread-self/ns/net") else {
            return false
        }
        return NamespaceIdentity(theirs) == NamespaceIdentity(own)
    }

    /// What tells this namespace from all others while it exists.
    public func identity() throws(Errno) -> NamespaceIdentity { NamespaceIdentity(try descriptor.status()) }

    /// Runs a body with the calling thread inside this namespace.
    ///
    /// The body cannot suspend, so the thread does no other work meanwhile. A thread that cannot find its way back is of
    /// no use to anybody, so failing to return ends the process.
    public func perform<R: ~Copyable, E: SystemFailure>(_ body: () throws(E) -> R) throws(E) -> R {
        let home = try enter(E.self)
        defer { home.returnHome() }
        return try body()
    }

    /// Moves the calling thread into this namespace and returns the one that it was in.
    private func enter<E: SystemFailure>(_: E.Type) throws(E) -> NetworkNamespace {
        do {
            let home = try NetworkNamespace.current()
            try check(linux_enter_network_namespace(descriptor.rawValue))
            return home
        } catch {
            throw E(error, "enter the network namespace")
        }
    }

    private func returnHome() {
        guard linux_enter_network_namespace(descriptor.rawValue) < 0 else { return }
        StandardStreams.log("cannot return to the host's network namespace")
        linux_exit(1)
    }

    /// Waits for a lock on the namespace itself.
    ///
    /// The lock needs no file, so there is none to be left behind; it ends with the holder.
    public func lock(shared: Bool, limitMilliseconds: Int64) throws(Errno) -> FileLock {
        // Opened anew, because locks of one open file do not exclude each other.
        let own = try FileDescriptor.open("/proc/self/fd/\(descriptor.rawValue)")
        return try FileLock.acquire(own, shared: shared, limitMilliseconds: limitMilliseconds)
    }
}

/// The device and number of a namespace's file.
///
/// The kernel uses a number again once its namespace is gone, so equality means something only between living ones.
public struct NamespaceIdentity: Equatable, Sendable {
    /// The device of the file.
    public let device: UInt64
    /// The number of the file.
    public let inode: UInt64

    init(_ status: FileStatus) { (device, inode) = (status.device, status.inode) }

    /// The identity behind a path, or nothing if there is no namespace.
    public static func of(_ path: String) -> NamespaceIdentity? {
        guard let namespace = try? NetworkNamespace.open(path) else { return nil }
        return try? namespace.identity()
    }
}
