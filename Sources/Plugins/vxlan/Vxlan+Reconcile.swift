// SPDX-License-Identifier: Apache-2.0

import CNI
import Interfaces
import Linux
import Netlink
import Overlay

extension Vxlan {
    /// Corrects the tunnel by hand or by a timer.
    static let words = ["reconcile"]

    func perform(_ word: String, _ request: Request<VxlanConfiguration>) throws(CNIError) -> String {
        var host = try Kernel.open()
        let network = try VxlanNetwork(request.configuration, request.attachment.network, &host)
        let lock = try SharedInterfaceLock.acquire(alone: true)
        defer { withExtendedLifetime(lock) {} }
        let name = network.tunnel.name
        // The first attachment makes what the last one takes away.
        if request.configuration.tearsDown, try host.link(named: name) == nil { return "\(name): not in use" }
        let count = try network.correctBridge(&host) + (network.isKept ? 0 : network.tunnel.ensure(&host))
        return "\(name): " + (count == 0 ? "all is as it is to be" : "\(count) changes")
    }

    /// Removes what attachments share, if there is no attachment any more and the configuration says so.
    func tearDown(_ request: Request<VxlanConfiguration>) throws(CNIError) {
        let configuration = request.configuration
        guard configuration.tearsDown else { return }
        let lock = try SharedInterfaceLock.acquire(alone: true)
        defer { withExtendedLifetime(lock) {} }
        var host = try Kernel.open()
        let alias = Tunnel.alias(network: request.attachment.network)
        let bridge = try host.link(named: configuration.bridge.name)
        if let bridge {
            let ports = try host.links(master: bridge.index)
            if ports.contains(where: { $0.alias != alias }) { return }
        }
        // Where overlayd looks after the tunnel, it does so whether there are containers or not.
        if configuration.registry == nil { try Tunnel.remove(alias: alias, networks: configuration.networks, &host) }
        // A bridge of somebody else's stays.
        if let bridge, bridge.alias == alias { try host.deleteLink(ifExists: bridge.name) }
    }
}
