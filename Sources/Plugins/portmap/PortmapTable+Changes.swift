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
        var belongings = belongings(attachment, mappings, targets, style)
        // Nobody must switch the setting off between the look and the record of its use.
        let lock = try SharedInterfaceLock.acquire(alone: false)
        defer { withExtendedLifetime(lock) {} }
        let interface = style.snat ? Localnet.interface(targets) : nil
        if let interface {
            let chain = "localnet-" + Attachment(network: interface, containerID: "", interface: "").digits
            let isShared = try CNIError.rules { () throws(RulesError) in try table.use(ofChain: chain) != nil }
            let isOff = try Localnet.missing(targets) != nil
            if isShared || isOff {
                belongings.addSharedChain(chain, elements: [("=localnet", Object.quoted(interface), "")])
            }
        }
        let addresses = targets.map { $0.address.description }
        do throws(RulesError) {
            try table.add(attachment, belongings) { held in
                held.contains { element in
                    element.map.utf8.starts(with: "pairs".utf8)
                        && addresses.contains { joined($0, " . ", $0) == element.key }
                }
            }
        } catch {
            guard error.errno == .addressInUse else { throw CNIError(error) }
            throw CNIError(
                .portTaken,
                "a host port is taken",
                error.text + "; publish another port or address, or end that attachment by DEL or GC"
            )
        }
        if let interface { try Localnet.set(interface, true) }
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
        try Flows.forget(removed.flatMap { $0.own })
    }
}
