// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import Linux
import NFTables
import Rules

extension PortmapTable {
    /// Adds the mappings.
    ///
    /// The holder of a port whose address the container has now is dead, because IPAM has given the address away again.
    static func add(
        _ attachment: Attachment,
        _ mappings: [PortMapping],
        _ targets: [Target],
        _ style: Style
    ) throws(CNIError) {
        // Nobody must switch the setting off between the look and the record of its use.
        let lock = try SharedInterfaceLock.acquire(alone: false)
        defer { withExtendedLifetime(lock) {} }
        let interface = style.snat ? Localnet.interface(targets) : nil
        var own = belongings(attachment, mappings, targets, style)
        try claim(interface, &own)
        do throws(RulesError) { try add(attachment, own, targets) } catch {
            guard error.errno == .addressInUse else { throw refusal(error, mappings, targets, style) }
            own = belongings(attachment, mappings, targets, style, taken: try taken(attachment, own))
            try claim(interface, &own)
            do throws(RulesError) { try add(attachment, own, targets) } catch {
                throw error.errno == .addressInUse ? .portTaken(error.text) : CNIError(error)
            }
        }
        if let interface { try Localnet.set(interface, true) }
    }

    /// The error of a transaction, with the place of the conditions if they are what is refused.
    private static func refusal(
        _ error: RulesError,
        _ mappings: [PortMapping],
        _ targets: [Target],
        _ style: Style
    ) -> CNIError {
        for target in targets where error.errno == .invalidArgument {
            let (family, conditions) = (target.address.family, style.conditions(target.address.family))
            for mapping in mappings where mapping.applies(to: family) && !conditions.isEmpty {
                do throws(CNIError) { try table.probe(conditional(mapping, target, conditions)) } catch {
                    let key = family == .v4 ? "conditionsV4" : "conditionsV6"
                    return CNIError(
                        .rules,
                        "cannot publish ports under conditions",
                        joined(key, " is \"", conditions, "\": ", error.details)
                    )
                }
            }
        }
        return CNIError(error)
    }

    private static func add(
        _ attachment: Attachment,
        _ belongings: Belongings,
        _ targets: [Target]
    ) throws(RulesError) {
        let pairs = targets.map { joined($0.address.description, " . ", $0.address.description) }
        try table.add(attachment, belongings) { held in
            held.contains { $0.map.begins(with: "pairs") && pairs.contains($0.key) }
        }
    }

    /// Claims the loopback's way out through an interface, unless somebody else had opened it before.
    private static func claim(_ interface: String?, _ belongings: inout Belongings) throws(CNIError) {
        guard let interface else { return }
        let chain = "localnet-" + Attachment(network: interface, containerID: "", interface: "").digits
        let isShared = try CNIError.rules { () throws(RulesError) in try table.use(ofChain: chain) != nil }
        let isOff = try Localnet.isOff(interface)
        if isShared || isOff {
            belongings.addSharedChain(chain, elements: [("=localnet", Object.quoted(interface), "")])
        }
    }

    /// Removes the mappings of an attachment.
    static func remove(_ attachment: Attachment) throws(CNIError) {
        try remove { () throws(RulesError) in
            guard let removed = try table.remove(attachment) else { return [] }
            return [removed]
        }
    }

    /// Removes the mappings of a network's attachments that are not valid any more.
    static func collect(_ network: String, keeping valid: ValidAttachments) throws(CNIError) {
        try remove { () throws(RulesError) in try table.collect(network, keeping: valid) }
    }

    private static func remove(_ body: () throws(RulesError) -> [Removed]) throws(CNIError) {
        var removed: [Removed] = []
        // Where there is nothing, there is nobody to wait for.
        if try CNIError.rules({ () throws(RulesError) in try table.isEmpty }) { return }
        let lock = try SharedInterfaceLock.acquire(alone: true)
        defer { withExtendedLifetime(lock) {} }
        try CNIError.removingRules { () throws(RulesError) in removed = try body() }
        for element in removed.flatMap({ $0.shared }) where element.map == "=localnet" {
            try Localnet.set(String(decoding: element.key.utf8.dropFirst().dropLast(), as: UTF8.self), false)
        }
        let free = removed.flatMap { $0.own }
        try handOver(free)
        try Flows.forget(free)
    }
}
