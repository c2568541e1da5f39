// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import Linux
import NFTables
import Netlink
import Rules

/// The rules that keep containers of different bridges apart, and, of one bridge, from each other.
///
/// A bridge has one chain, which is looked up by the interface where a packet comes in. It belongs to all attachments of the
/// bridge together: each one's record leads to it, and the last one takes it along. Frames between ports of a bridge never
/// meet these rules; there the bridge itself keeps isolated ports apart.
struct Isolation {
    private static var table: SharedTable {
        // Two rules, and the element that leads to the chain.
        SharedTable("inet swift_cni_firewall", idleUse: 3) { base in
            base.add(.map("bridges", "type ifname : verdict;"))
            base.add(.set("guarded", "type ifname;"))
            base.add(.chain("forward", "type filter hook forward priority 0; policy accept;"))
            base.add(.rule(in: "forward", "iifname vmap @bridges"))
        }
    }

    private let attachment: Attachment
    private let policy: FirewallConfiguration.IngressPolicy
    private let bridge: String
    private let ports: [String]

    /// Plans the isolation; nothing if everything is open.
    init?(
        _ attachment: Attachment,
        _ policy: FirewallConfiguration.IngressPolicy,
        _ result: AddResult
    ) throws(CNIError) {
        if policy == .open { return nil }
        guard let first = result.interfaces.first else {
            throw CNIError(
                .invalidConfiguration,
                "interface needs to be set for ingress policy \"\(policy.rawValue)\"",
                "prevResult has no interfaces; make sure to chain \"firewall\" plugin with \"bridge\""
            )
        }
        guard !first.name.isEmpty else {
            throw CNIError(.invalidConfiguration, "got empty bridge name", "prevResult.interfaces[0].name is empty")
        }
        (self.attachment, self.policy, bridge) = (attachment, policy, first.name)
        ports = result.interfaces.dropFirst().filter { $0.sandbox.isEmpty }.map { $0.name }
    }

    private var belongings: Belongings {
        var belongings = Belongings()
        let name = Object.quoted(bridge)
        // Named after the policy too: two policies for one bridge want the same elements, and the second is refused.
        let digits = Attachment(network: bridge, containerID: policy.rawValue, interface: "").digits
        let chain = joined("from-", digits)
        let own = policy == .isolated ? "drop" : "return"
        belongings.addSharedChain(
            chain,
            [joined("oifname ", name, " ", own), "oifname @guarded drop"],
            elements: [("bridges", name, "jump " + chain), ("guarded", name, "")]
        )
        return belongings
    }

    func add() throws(CNIError) {
        do throws(RulesError) { try Self.table.add(attachment, belongings) { _ in false } } catch {
            guard error.errno == .fileExists else { throw CNIError(error) }
            throw CNIError(
                .rules,
                "the bridge \(bridge) has another ingress policy",
                "containers of this host got it from another network or an older configuration; end them first"
            )
        }
        try setPorts(true)
    }

    func undo() throws(CNIError) {
        try Self.remove(attachment)
        try setPorts(false)
    }

    /// Lets the bridge keep the container's port apart from other isolated ones; with the port that goes too.
    private func setPorts(_ isolated: Bool) throws(CNIError) {
        guard policy == .isolated else { return }
        var host = try Kernel.open()
        // The port of a tunnel keeps containers of other hosts apart from all isolated ones, and goes with none of them.
        for port in try portLinks(&host) where isolated || port.vxlan == nil {
            var batch = MessageBatch()
            batch.setPort(port.name, index: port.index, isolated: isolated)
            try host.send(batch)
        }
    }

    private func portLinks(_ host: inout Kernel) throws(CNIError) -> [Link] {
        guard let master = try host.link(named: bridge), master.kind == "bridge" else { return [] }
        return try host.links(master: master.index).filter { ports.contains($0.name) }
    }

    func check() throws(CNIError) {
        let isThere = try CNIError.rules { () throws(RulesError) in try Self.table.holds(attachment, belongings) }
        guard isThere else {
            throw CNIError.drifted("the ingress policy \(policy.rawValue) of \(bridge) is not in force")
        }
        guard policy == .isolated else { return }
        var host = try Kernel.open()
        for port in try portLinks(&host) where port.port?.isolated != true {
            throw CNIError.drifted("\(port.name) is not isolated")
        }
    }

    static func remove(_ attachment: Attachment) throws(CNIError) {
        try CNIError.removingRules { () throws(RulesError) in _ = try table.remove(attachment) }
    }

    static func collect(_ network: String, keeping valid: ValidAttachments) throws(CNIError) {
        try CNIError.removingRules { () throws(RulesError) in _ = try table.collect(network, keeping: valid) }
    }

    static func probe() throws(CNIError) { try table.probe() }
}
