// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Linux
import Netlink

/// A routing socket whose errors are those of a plugin.
public typealias Kernel = RouteSocket<CNIError>

extension RouteSocket where Failure == CNIError {
    /// Deletes an interface; says whether there was one.
    @discardableResult
    public mutating func deleteLink(ifExists name: String) throws(CNIError) -> Bool {
        var batch = MessageBatch()
        batch.deleteLink(name)
        do { try send(batch) } catch {
            if error.errno == .noSuchDevice { return false }
            throw error
        }
        return true
    }

    /// Deletes the interfaces that the attachments of a network left on the host, but for those that are valid.
    ///
    /// A pair dies with the container's namespace, so one that is there proves nothing: only the runtime can tell.
    public mutating func deleteHostInterfaces(of network: String, keeping valid: ValidAttachments) throws(CNIError) {
        guard case .only(let attachments) = valid else { return }
        let kept = attachments.map { $0.hostInterface }
        let prefix = Attachment.aliasPrefix(network: network)
        for link in try links(kind: "veth") where link.alias.begins(with: prefix) && !kept.contains(link.name) {
            try deleteLink(ifExists: link.name)
        }
    }
}

extension Interface {
    /// The entry of a result for an interface on the host.
    public init(_ link: Link) { self.init(name: link.name, mac: link.mac?.description ?? "", mtu: link.mtu) }
}

/// A lock that keeps interfaces which attachments share from being taken away under those that are coming.
///
/// ADD holds it together with other ADDs from finding the bridge until its own port is in it. Only who removes a bridge,
/// because its own ADD failed, holds it alone, and who changes rules by programs that first read and then write. Such a program
/// goes on when the plugin is killed, and holds the lock itself then: the next one finds either all of its changes or none.
public enum SharedInterfaceLock {
    /// Waits for the lock in the namespace of the calling thread.
    @inline(never)
    public static func acquire(alone: Bool) throws(CNIError) -> FileLock {
        let limit: Int64 = 30_000
        return try CNIError.attempt("lock the host's network namespace within \(limit) ms") { () throws(Errno) in
            let lock = try NetworkNamespace.current().lock(shared: !alone, limitMilliseconds: limit)
            if alone { lock.passOn() }
            return lock
        }
    }
}
