// SPDX-License-Identifier: Apache-2.0

import CNI
import NFTables

extension Attachment {
    /// Enough of the hash to tell attachments apart, for names in the packet filter.
    public var digits: String { String(decoding: hash.utf8.prefix(32), as: UTF8.self) }

    /// How the owners of a network's rules begin; a long name is replaced by a hash, so that a comment never cuts it.
    @inline(never)
    public static func ownerPrefix(network: String) -> String {
        if network.utf8.count <= 64 { return network + "/" }
        return Attachment(network: network, containerID: "", interface: "").digits + "/"
    }

    /// Whose rules are whose, for people and for GC.
    public var owner: String {
        joined(Self.ownerPrefix(network: network), containerID, "/", interface)
    }
}
