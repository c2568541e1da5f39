// SPDX-License-Identifier: Apache-2.0

import CLinux
import Foundation
import Linux

/// A network namespace for a container, as a runtime makes it: mounted on a file, whose path goes into CNI_NETNS.
///
/// It is made by a thread that leaves its own namespace and ends, so the caller stays where it is. At the end of its
/// life the mount and the file are removed, and with them the namespace and all that is in it.
public final class ContainerNamespace: Sendable {
    private let directory: TemporaryDirectory
    // A descriptor that never changes, which any thread may use.
    nonisolated(unsafe) private let descriptor: NetworkNamespace

    /// The path of the file on which the namespace is mounted; good in every process.
    public let path: String

    /// The namespace, for entering it or for naming it in messages.
    public var namespace: NetworkNamespace { _read { yield descriptor } }

    /// Makes a namespace with its loopback interface down, as runtimes hand it over.
    public init(named name: String = "container") throws {
        let directory = try TemporaryDirectory()
        let path = directory.path(name)
        try directory.write("", to: name)
        let result = BackgroundThread {
            let made = linux_unshare(true, false)
            return made < 0 ? made : linux_mount("/proc/thread-self/ns/net", path, "none", true, false, nil)
        }.join()
        if result < 0 { throw Errno(-result) }
        do { descriptor = try NetworkNamespace.open(path) } catch {
            _ = linux_unmount(path)
            throw error
        }
        self.directory = directory
        self.path = path
    }

    deinit { _ = linux_unmount(path) }

    /// Runs a body with the calling thread inside the namespace.
    public func perform<Value: ~Copyable, Failure: SystemFailure>(
        _ body: () throws(Failure) -> Value
    ) throws(Failure) -> Value {
        try descriptor.perform(body)
    }

    /// Runs a body that cannot fail with the calling thread inside the namespace.
    public func inside<Value>(_ body: () throws -> Value) throws -> Value {
        var outcome: Result<Value, any Error>?
        try descriptor.perform { () throws(SpawnFailure) in outcome = Result { try body() } }
        guard let outcome else { preconditionFailure("the body did not run") }
        return try outcome.get()
    }

    /// Takes the mount away and leaves the empty file, as a reboot does.
    public func leavePlainFile() { _ = linux_unmount(path) }

    /// Takes the mount and the file away, as a runtime does that removes the namespace before it calls DEL.
    public func removePath() {
        _ = linux_unmount(path)
        try? FileManager.default.removeItem(atPath: path)
    }
}
