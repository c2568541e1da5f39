// SPDX-License-Identifier: Apache-2.0

import CNI
import Interfaces
import Linux
import Netlink

extension Bridge {
    /// Removes the pair: by its name on the host, or, if it was not made by this suite, from inside the container.
    func detach(_ request: Request<BridgeConfiguration>) throws(CNIError) {
        var host = try Kernel.open()
        if try host.deleteLink(ifExists: request.attachment.hostInterface) { return }
        guard let netns = try request.openNamespaceIfExists() else { return }
        var inside = try netns.perform { () throws(CNIError) in try Kernel.open() }
        guard let link = try inside.link(named: request.attachment.interface), link.kind == "veth" else { return }
        if try isOurs(link, request, &host) { try inside.deleteLink(ifExists: link.name) }
    }

    /// Whether an interface in the container leads to the bridge, or to nothing any more.
    ///
    /// A failed ADD is followed by a DEL, and what made it fail may have been another network's interface of the same
    /// name: that one must survive.
    private func isOurs(
        _ link: Link,
        _ request: Request<BridgeConfiguration>,
        _ host: inout Kernel
    ) throws(CNIError) -> Bool {
        guard let index = link.peer, let peer = try host.link(index: index), peer.kind == "veth" else { return true }
        if Attachment.isAlias(peer.alias) { return peer.alias == request.attachment.alias }
        guard let master = peer.master else { return true }
        return try host.link(index: master)?.name == request.configuration.bridge
    }
}
