// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Linux
import Netlink

extension BridgeDevice {
    /// Gives the bridge the gateways' addresses and switches forwarding on, where the configuration asks for it.
    ///
    /// With a VLAN the addresses are on an interface in that VLAN, which is returned for the result.
    public func addGateways(
        for result: AddResult,
        on bridge: Link,
        _ host: inout Kernel,
        undo: inout UndoStack
    ) throws(CNIError) -> Link? {
        guard settings.isGateway, !result.ips.isEmpty else { return nil }
        let device = settings.vlan == 0 ? bridge : try ensureGatewayInterface(bridge, &host, undo: &undo)
        let wanted = result.ips.compactMap { ip in
            ip.gateway.flatMap { Prefix(address: $0, length: ip.address.length) }
        }
        let addresses = try host.addresses(of: device.index)
        let present = addresses.map { $0.prefix }
        // The gateways of several ranges live side by side; what else is there was not made by this configuration.
        let foreign = addresses.filter { !wanted.contains($0.prefix) }
        // Forwarding first: a forwarding host has an anycast address in each network, which must come and go with it.
        for family in [IPAddress.Family.v4, .v6] where wanted.contains(where: { $0.address.family == family }) {
            try enableForwarding(family, undo: &undo)
        }
        for prefix in wanted where !present.contains(prefix) {
            try makeRoom(for: prefix, among: foreign, on: device, &host, undo: &undo)
            try addAddress(prefix, to: device, &host, undo: &undo)
            if prefix.address.family == .v6 { try waitForNeighbours(of: prefix.address, on: device, &host) }
        }
        return settings.vlan == 0 ? nil : device
    }

    /// Waits until the kernel hears who asks for a new gateway, and can ask for containers itself.
    ///
    /// For packets from elsewhere it asks by its link-local address, which comes out of a work queue as the groups do. An
    /// operator's bridge may have none, so this ends in any case.
    private func waitForNeighbours(of gateway: IPAddress, on device: Link, _ host: inout Kernel) throws(CNIError) {
        let asksByLinkLocal = (try? Sysctl.read("net/ipv6/conf/\(device.name)/addr_gen_mode")) == "0"
        let end = Clock.monotonicNanoseconds() + 1_000_000_000
        while Clock.monotonicNanoseconds() < end {
            let addresses = try host.addresses(of: device.index)
            let own = addresses.filter { $0.prefix.address.isLinkLocalUnicast && !$0.isTentative }
            let isAsked = try host.groups(of: device.index).contains(gateway.solicitedNodeGroup)
            if isAsked && !(own.isEmpty && asksByLinkLocal) { return }
            _ = Poll.isReadable(-1, timeoutMilliseconds: 1)
        }
    }

    private func enableForwarding(_ family: IPAddress.Family, undo: inout UndoStack) throws(CNIError) {
        guard let changed = try Forwarding.enable(family) else { return }
        let own = ownPort
        try owe("set \(changed.key) back to \(changed.before)", to: &undo) { host throws(CNIError) in
            // Attachments to other bridges have come to need it as well.
            let others = try host.links(kind: "veth").filter { Attachment.isAlias($0.alias) && $0.name != own }
            guard others.isEmpty else { return }
            try CNIError.attempt("set \(changed.key)") { () throws(Errno) in
                try Sysctl.write(changed.key, changed.before)
            }
        }
    }

    /// Removes addresses that exclude a new one, if the configuration allows it.
    private func makeRoom(
        for wanted: Prefix,
        among present: [InterfaceAddress],
        on device: Link,
        _ host: inout Kernel,
        undo: inout UndoStack
    ) throws(CNIError) {
        let family = wanted.address.family
        // A second IPv4 network would make the choice of source addresses a matter of luck; IPv6 is made for several.
        let conflicts = present.filter { other in
            other.prefix.address.family == family && (family == .v4 || other.prefix.overlaps(wanted))
        }
        if let conflict = conflicts.first, !settings.forceAddress {
            throw CNIError(
                .invalidConfiguration,
                "\"\(device.name)\" already has an IP address different from \(wanted.description)",
                "it has \(conflict.prefix.description); set forceAddress to replace it, or use another bridge for this network"
            )
        }
        for conflict in conflicts {
            var batch = MessageBatch()
            batch.deleteAddress(conflict.prefix, from: device.index)
            try host.send(batch)
            try owe("give \(device.name) the address \(conflict.prefix.description) back", to: &undo) {
                host throws(CNIError) in
                var batch = MessageBatch()
                batch.restoreAddress(conflict)
                try host.send(batch)
            }
        }
    }

    private func addAddress(
        _ prefix: Prefix,
        to device: Link,
        _ host: inout Kernel,
        undo: inout UndoStack
    ) throws(CNIError) {
        if prefix.address.family == .v6 { try Sysctl.set("net/ipv6/conf/\(device.name)/disable_ipv6", "0") }
        var batch = MessageBatch()
        batch.addAddress(prefix, to: device.index)
        do { try host.send(batch) } catch {
            // Another ADD was faster.
            if error.errno == .fileExists { return }
            throw error
        }
        let index = device.index
        try owe("take the address \(prefix.description) from \(device.name)", to: &undo) { host throws(CNIError) in
            var batch = MessageBatch()
            batch.deleteAddress(prefix, from: index)
            try host.send(batch)
        }
    }
}
