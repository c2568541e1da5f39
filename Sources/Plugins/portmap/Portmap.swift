// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import NFTables
import Rules

/// Leads ports of the host to ports of a container.
///
/// The rules are written under the attachment's name in the packet filter, so DEL and GC find them without a
/// configuration. Without ports nothing is done at all.
struct Portmap: Plugin {
    static let name = "portmap"

    func add(_ request: Request<PortmapConfiguration>, undo: inout UndoStack) throws(CNIError) -> AddResult {
        guard let result = try request.previousResult() else { throw Self.notChained }
        let (mappings, style) = try request.plan()
        let targets = mappings.isEmpty ? [] : try Target.all(result, request.attachment, mappings)
        if targets.isEmpty { return result }
        let attachment = request.attachment
        switch style.backend {
        case .nftables:
            try undo.push("withdraw the ports of " + attachment.owner) { () throws(CNIError) in
                try PortmapTable.remove(attachment)
            }
            try PortmapTable.add(attachment, mappings, targets, style)
        case .iptables:
            try undo.push("withdraw the ports of " + attachment.owner) { () throws(CNIError) in
                try PortmapChains(attachment).remove()
            }
            try PortmapChains(attachment).add(mappings, targets, style)
        }
        try Flows.redirect(mappings, targets)
        return result
    }

    func delete(_ request: Request<PortmapConfiguration>) throws(CNIError) {
        var effort = BestEffort()
        effort.attempt { () throws(CNIError) in try PortmapTable.remove(request.attachment) }
        effort.attempt { () throws(CNIError) in try PortmapChains(request.attachment).remove() }
        try effort.finish()
    }

    func check(_ request: Request<PortmapConfiguration>) throws(CNIError) {
        let result = try request.requiredPreviousResult()
        let (mappings, style) = try request.plan()
        let targets = mappings.isEmpty ? [] : try Target.all(result, request.attachment, mappings)
        if targets.isEmpty { return }
        let isThere: Bool
        switch style.backend {
        case .nftables:
            let attachment = request.attachment
            let all = PortmapTable.belongings(attachment, mappings, targets, style)
            let taken = try PortmapTable.taken(attachment, all)
            let own = PortmapTable.belongings(attachment, mappings, targets, style, taken: taken)
            isThere = try CNIError.rules { () throws(RulesError) in try PortmapTable.table.holds(attachment, own) }
        case .iptables: isThere = try PortmapChains(request.attachment).areThere(mappings, targets, style)
        }
        if !isThere {
            throw CNIError.drifted("the published ports of \(request.attachment.owner) are not as they were")
        }
        if style.snat { try Localnet.check(targets) }
    }

    func collect(_ request: Request<PortmapConfiguration>, keeping valid: ValidAttachments) throws(CNIError) {
        let network = request.attachment.network
        var effort = BestEffort()
        effort.attempt { () throws(CNIError) in try PortmapTable.collect(network, keeping: valid) }
        effort.attempt { () throws(CNIError) in try PortmapChains.collect(network, keeping: valid) }
        try effort.finish()
    }

    func status(_ request: Request<PortmapConfiguration>) throws(CNIError) {
        let (_, style) = try request.plan()
        if style.backend == .nftables { return try PortmapTable.table.probe() }
        if IPTables(.v4).isInstalled { return }
        throw CNIError(.notReady, "cannot publish ports", "backend is iptables, which is not installed")
    }

    private static var notChained: CNIError {
        CNIError(
            .invalidConfiguration,
            "must be called as chained plugin",
            "prevResult is missing: portmap comes after the plugin that gives the container its addresses"
        )
    }
}

extension Request<PortmapConfiguration> {
    /// What is to be mapped, and how.
    fileprivate func plan() throws(CNIError) -> (mappings: [PortMapping], style: Style) {
        do { return (try configuration.mappings(), try configuration.style()) } catch {
            throw .configuration(error)
        }
    }
}
