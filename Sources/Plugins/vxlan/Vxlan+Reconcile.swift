// SPDX-License-Identifier: Apache-2.0

import CNI
import Interfaces
import Linux
import Netlink
import Overlay
import Rules

extension Vxlan {
    /// Corrects the tunnel by hand or by a timer.
    static let words = ["reconcile"]

    func perform(_ word: String, _ request: Request<VxlanConfiguration>) throws(CNIError) -> String {
        let lock = try SharedInterfaceLock.acquire(alone: true)
        defer { withExtendedLifetime(lock) {} }
        var host = try Kernel.open()
        let network = try VxlanNetwork(request.configuration, request.attachment.network, &host)
        let name = network.tunnel.name
        let isUsed = try host.hasAttachments(of: network.name)
        // The first attachment makes what the last one takes away.
        if request.configuration.tearsDown, !isUsed { return name + ": not in use" }
        var count = try network.correctBridge(&host) + (network.isKept ? 0 : network.tunnel.ensure(&host))
        if let obstacle = try network.obstacle(attaching: false, &host) { throw obstacle }
        if isUsed { count += try network.correctGateways(&host) + (network.correctMasquerade(&host) ? 1 : 0) }
        return name + ": " + (count == 0 ? "all is as it is to be" : "\(count) changes")
    }

    /// Removes what attachments share, if there is no attachment any more: the rules, and all of it if the configuration says so.
    func tearDown(_ request: Request<VxlanConfiguration>) throws(CNIError) {
        let (configuration, network) = (request.configuration, request.attachment.network)
        let rules = NetworkMasquerade(network)
        let hasRules = try rules.isPresent()
        guard hasRules || configuration.tearsDown else { return }
        let lock = try SharedInterfaceLock.acquire(alone: true)
        defer { withExtendedLifetime(lock) {} }
        var host = try Kernel.open()
        if try host.hasAttachments(of: network) { return }
        if hasRules { try rules.remove() }
        guard configuration.tearsDown else { return }
        let alias = Tunnel.alias(network: network)
        // Where overlayd looks after the tunnel, it does so whether there are containers or not.
        if configuration.registry == nil { try Tunnel.remove(alias: alias, networks: configuration.networks, &host) }
        // Bridges that were made for the network, whatever they were called then; one with ports of somebody else's stays.
        for bridge in try host.links(kind: "bridge") where bridge.alias == alias {
            if try host.links(master: bridge.index).isEmpty { try host.deleteLink(ifExists: bridge.name) }
        }
    }
}
