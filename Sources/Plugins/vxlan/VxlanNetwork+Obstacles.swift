// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import Netlink
import Overlay

/// What the plugin finds in its way and cannot correct.
extension VxlanNetwork {
    /// The refusal because of it; nothing if a container can be attached, or if nobody attaches one, the tunnel be used.
    @inline(never)
    func obstacle(attaching: Bool = true, _ host: inout Kernel) throws(CNIError) -> CNIError? {
        if isKept, let complaint = try missing(&host) {
            return CNIError(.tryAgain, complaint, "overlayd makes it; is it running?")
        }
        return try misplacedAddress(attaching && configuration.drawsFromSubnets, &host)
    }

    /// What to say if the tunnel is not as overlayd makes it, as far as the plugin knows.
    private func missing(_ host: inout Kernel) throws(CNIError) -> String? {
        guard let link = try host.link(named: tunnel.name) else { return "the tunnel " + tunnel.name + " is missing" }
        if !link.isUp { return "the tunnel " + tunnel.name + " is down" }
        return link.mtu < mtu ? "the MTU of the tunnel " + tunnel.name + " is \(link.mtu), not \(mtu)" : nil
    }

    /// The refusal because of an address that takes packets which are for others.
    ///
    /// For its containers' sake the bridge may still have one of a subnet that is another host's by now. The kernel refuses the
    /// route of IPv4 to that host; that of IPv6 it takes and never uses, because the bridge's own one comes first. And another
    /// interface, such as a bridge of another network, may have one of this host's own subnets; a single address without a
    /// network takes nothing else.
    private func misplacedAddress(_ isOfOurs: Bool, _ host: inout Kernel) throws(CNIError) -> CNIError? {
        let bridge = try host.link(named: configuration.bridge.name)?.index
        let entries = tunnel.entries ?? TunnelEntries()
        let others = entries.routed.map { $0.subnet } + entries.direct.map { $0.subnet }
        for address in try host.addresses() where address.scope == 0 {
            let prefix = address.prefix
            let isBridges = address.interface == bridge
            if !isBridges, !isOfOurs || prefix.length == prefix.hostLength { continue }
            let taken = isBridges ? others : subnets
            guard taken.contains(where: { $0.contains(prefix.address) && length($0) <= prefix.length }) else {
                continue
            }
            let name = try host.link(index: address.interface)?.name ?? ""
            return CNIError(
                .interfaceExists,
                "the interface " + name + " has the address " + prefix.description
                    + (isBridges ? ", of a subnet that is another host's now" : ", of this host's own subnet"),
                isBridges ? Self.wayOut : "remove the address, or give this host another subnet"
            )
        }
        return nil
    }
}
