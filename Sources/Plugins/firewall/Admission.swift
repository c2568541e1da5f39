// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Linux
import NFTables
import Rules

/// Where the packets of a container are let pass.
///
/// With nftables nothing stops them unless somebody uses iptables on the host as well, whose rules then drop or may come to
/// drop them; there the reference's chains let them pass. Where firewalld runs, it is asked.
struct Admission {
    private let attachment: Attachment
    private let configuration: FirewallConfiguration

    init(_ attachment: Attachment, _ configuration: FirewallConfiguration) {
        self.attachment = attachment
        self.configuration = configuration
    }

    private static var families: [IPAddress.Family] { [.v4, .v6] }

    private var firewalld: FirewalldBackend { FirewalldBackend(attachment, zone: configuration.zone) }

    func add(_ addresses: [Prefix], undo: inout UndoStack) throws(CNIError) {
        if configuration.usesFirewalld { return try firewalld.add(addresses, undo: &undo) }
        for family in Self.families {
            let own = addresses.filter { $0.address.family == family }
            if own.isEmpty { continue }
            for tables in tables(family) { try chains(tables).add(own) }
        }
    }

    /// The tables of iptables that decide about a family's packets.
    private func tables(_ family: IPAddress.Family) -> [IPTables] {
        if configuration.backend == .iptables { return [IPTables(family)] }
        var found = IPTables.mayHold("FORWARD", in: "filter", family)
        if found.isEmpty { found = IPTables.mayHold(configuration.adminChain, in: "filter", family) }
        return found
    }

    private func chains(_ tables: IPTables) -> AdmissionChains {
        AdmissionChains(attachment, tables, configuration)
    }

    /// Removes what lets packets pass, with the given addresses also what the reference made.
    func remove(_ addresses: [Prefix]) throws(CNIError) {
        var effort = BestEffort()
        let mayHaveAsked = configuration.backend == nil || configuration.backend == .firewalld
        effort.attempt { () throws(CNIError) in try firewalld.remove(mayHaveAsked ? addresses : []) }
        for family in Self.families {
            for tables in IPTables.mayHold(AdmissionChains.forward, in: "filter", family) {
                effort.attempt { () throws(CNIError) in
                    try chains(tables).remove(addresses.filter { $0.address.family == family })
                }
            }
        }
        try effort.finish()
    }

    func collect(keeping valid: ValidAttachments) throws(CNIError) {
        guard case .only(let attachments) = valid else { return }
        var effort = BestEffort()
        effort.attempt { () throws(CNIError) in try FirewalldBackend.collect(attachment.network, keeping: valid) }
        for family in Self.families {
            for tables in IPTables.mayHold(AdmissionChains.forward, in: "filter", family) {
                effort.attempt { () throws(CNIError) in
                    try chains(tables).collect(attachment.network, keeping: attachments)
                }
            }
        }
        try effort.finish()
    }

    func check(_ addresses: [Prefix]) throws(CNIError) {
        if configuration.usesFirewalld { return try firewalld.check(addresses) }
        for family in Self.families {
            let own = addresses.filter { $0.address.family == family }
            if own.isEmpty { continue }
            for tables in tables(family) { try chains(tables).check(own) }
        }
    }

    func probe() throws(CNIError) {
        if configuration.usesFirewalld { return try firewalld.probe() }
        guard configuration.backend == .iptables, !IPTables(.v4).isInstalled else { return }
        throw CNIError(.notReady, "cannot let packets pass", "backend is iptables, which is not installed")
    }
}
