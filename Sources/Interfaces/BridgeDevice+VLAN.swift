// SPDX-License-Identifier: Apache-2.0

import CNI
import Linux
import Netlink

extension BridgeDevice {
    /// Finds or makes the host's own interface in the VLAN of the containers, which carries the gateways' addresses.
    ///
    /// The bridge itself is in no VLAN, so the host takes part as a container does: by a pair with one end in the bridge.
    /// Like the bridge it is shared and stays.
    func ensureGatewayInterface(_ bridge: Link, _ host: inout Kernel, undo: inout UndoStack) throws(CNIError) -> Link {
        let gateway = "\(name).\(settings.vlan)"
        if let found = try host.link(named: gateway) { return found }
        let port = gatewayPort
        var batch = MessageBatch()
        batch.addLink(
            NewLink(
                name: gateway,
                kind: .veth(peer: VethPeer(name: port, mtu: settings.mtu)),
                mtu: settings.mtu
            )
        )
        var change = LinkChange.up
        batch.setLink(gateway, change)
        change.master = bridge.index
        batch.withholdLinkLocalAddress(port)
        batch.setLink(port, change)
        do throws(CNIError) {
            try host.send(batch)
            try owe("delete \(gateway)", to: &undo) { host throws(CNIError) in
                try host.deleteLink(ifExists: gateway)
            }
        } catch {
            // Another ADD was faster.
            if error.errno != .fileExists { throw error }
        }
        guard let link = try host.link(named: gateway), let member = try host.link(named: port) else {
            throw CNIError(.kernel, "the interface \(gateway) vanished while it was being made", "try again")
        }
        var membership = MessageBatch()
        addVLANs(to: member, &membership)
        try host.send(membership)
        return link
    }

    /// Adds the messages that make a port a member of its VLANs.
    func addVLANs(to port: Link, _ batch: inout MessageBatch) {
        guard settings.needsVLANFiltering else { return }
        // Number 1 is what the kernel puts on every new port.
        if !settings.preserveDefaultVlan { batch.removeVLANs(1...1, from: port.name, index: port.index) }
        let trunk = settings.vlanTrunk ?? []
        let untagged = settings.vlan == 0 && !trunk.isEmpty ? 1 : settings.vlan
        if untagged != 0 { batch.addVLANs(untagged...untagged, to: port.name, index: port.index, isUntagged: true) }
        for vlans in trunk { batch.addVLANs(vlans, to: port.name, index: port.index, isUntagged: false) }
    }
}
