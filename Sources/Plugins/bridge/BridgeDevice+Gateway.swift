// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import Linux
import Netlink

extension BridgeDevice {
    /// Gives the bridge the gateways' addresses and switches forwarding on, where the configuration asks for it.
    func addGateways(
        for result: AddResult,
        on bridge: Link,
        _ host: inout Kernel,
        undo: inout UndoStack
    ) throws(CNIError) {
        guard configuration.isGateway, !result.ips.isEmpty else { return }
        let wanted = result.ips.compactMap { ip in ip.gateway.flatMap { Prefix(address: $0, length: ip.address.length) } }
        let present = try host.addresses(of: bridge.index).map { $0.prefix }
        // The gateways of several ranges live side by side; what else is there was not made by this configuration.
        let foreign = present.filter { !wanted.contains($0) }
        var families: Set<IPAddress.Family> = []
        for prefix in wanted {
            if !present.contains(prefix) {
                try makeRoom(for: prefix, among: foreign, on: bridge, &host, undo: &undo)
                try addAddress(prefix, to: bridge, &host, undo: &undo)
            }
            let family = prefix.address.family
            if families.insert(family).inserted, let changed = try Forwarding.enable(family) {
                try undo.pushShared("set \(changed.key) back to \(changed.before)", bridge: name) { _ throws(CNIError) in
                    try CNIError.attempt("set \(changed.key)") { () throws(Errno) in try Sysctl.write(changed.key, changed.before) }
                }
            }
        }
    }

    /// Removes addresses that exclude a new one, if the configuration allows it.
    private func makeRoom(
        for wanted: Prefix,
        among present: [Prefix],
        on bridge: Link,
        _ host: inout Kernel,
        undo: inout UndoStack
    ) throws(CNIError) {
        let family = wanted.address.family
        // A second IPv4 network would make the choice of source addresses a matter of luck; IPv6 is made for several.
        let conflicts = present.filter { other in
            other.address.family == family && (family == .v4 || other.overlaps(wanted))
        }
        if let conflict = conflicts.first, !configuration.forceAddress {
            throw CNIError(.invalidConfiguration, "\"\(name)\" already has an IP address different from \(wanted.description)",
                "it has \(conflict.description); set forceAddress to replace it, or use another bridge for this network")
        }
        let (name, index) = (name, bridge.index)
        for conflict in conflicts {
            var batch = MessageBatch()
            batch.deleteAddress(conflict, from: index)
            try host.send(batch)
            try undo.pushShared("give \(name) the address \(conflict.description) back", bridge: name) { host throws(CNIError) in
                var batch = MessageBatch()
                batch.addAddress(conflict, to: index)
                try host.send(batch)
            }
        }
    }

    private func addAddress(
        _ prefix: Prefix,
        to bridge: Link,
        _ host: inout Kernel,
        undo: inout UndoStack
    ) throws(CNIError) {
        if prefix.address.family == .v6 { try Sysctl.ensureIfPresent("net/ipv6/conf/\(name)/disable_ipv6", "0") }
        var batch = MessageBatch()
        batch.addAddress(prefix, to: bridge.index)
        do { try host.send(batch) } catch {
            // Another ADD was faster.
            if error.errno == .fileExists { return }
            throw error
        }
        let index = bridge.index
        try undo.pushShared("take the address \(prefix.description) from \(name)", bridge: name) { host throws(CNIError) in
            var batch = MessageBatch()
            batch.deleteAddress(prefix, from: index)
            try host.send(batch)
        }
    }
}
