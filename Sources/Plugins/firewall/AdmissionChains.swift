// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import Linux
import NFTables
import Rules

/// The reference's chains in table filter: FORWARD leads to them first, so that no other rule stops what they accept.
///
/// Each rule bears its attachment's name as a comment, by which DEL and GC know it. Besides what the reference accepts,
/// packets to a published port are: whoever publishes one wants them.
struct AdmissionChains {
    static var forward: String { "CNI-FORWARD" }
    private static var filter: String { "filter" }
    /// The comment of the rule that leads to the administrator's chain.
    private static var overrides: String { "\"CNI firewall plugin admin overrides\"" }

    private let attachment: Attachment
    private let tables: IPTables
    private let adminChain: String

    init(_ attachment: Attachment, _ tables: IPTables, adminChain: String) {
        self.attachment = attachment
        self.tables = tables
        self.adminChain = adminChain
    }

    /// Adds what is missing.
    func add(_ addresses: [Prefix]) throws(CNIError) {
        let lock = try SharedInterfaceLock.acquire(alone: true)
        defer { withExtendedLifetime(lock) {} }
        let present = try tables.list(Self.filter)
        var lines: [String] = []
        for chain in [Self.forward, adminChain] where !present.chains.contains(chain) { lines.append("-N " + chain) }
        if !leads(from: "FORWARD", to: Self.forward, present) {
            lines.append("-I FORWARD 1 -m comment --comment \"CNI firewall plugin rules\" -j " + Self.forward)
            if present.drops("FORWARD") {
                StandardStreams.log(
                    "the host's chain FORWARD drops by policy; packets of containers pass by \(Self.forward)"
                )
            }
        }
        if !leads(from: Self.forward, to: adminChain, present) {
            lines.append(
                joined(
                    "-I ",
                    Self.forward,
                    " 1 -m comment --comment ",
                    Self.overrides,
                    " -j ",
                    adminChain
                )
            )
        }
        let own = present.inChain(Self.forward).filter { isOwn($0) }
        lines += own.map { $0.deletion } + rules(addresses)
        try tables.change(Self.filter, lines)
    }

    private func leads(from chain: String, to other: String, _ present: IPTables.Snapshot) -> Bool {
        present.inChain(chain).contains { $0.value(of: "-j") == other }
    }

    private var comment: String { IPTables.quoted("cni " + attachment.owner) }

    private func isOwn(_ rule: String) -> Bool { rule.mentions(comment) }

    private func rules(_ addresses: [Prefix]) -> [String] {
        var rules: [String] = []
        for prefix in addresses {
            let address = prefix.address.description
            let mark = joined(" -m comment --comment ", comment)
            rules.append(
                joined(
                    "-A ",
                    Self.forward,
                    " -d ",
                    address,
                    mark,
                    " -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT"
                )
            )
            rules.append(joined("-A ", Self.forward, " -s ", address, mark, " -j ACCEPT"))
        }
        return rules
    }

    /// Removes the attachment's rules, and those that the reference made for the addresses.
    func remove(_ addresses: [Prefix]) throws(CNIError) {
        let hosts = addresses.map { joined($0.address.description, "/", String($0.hostLength)) }
        try remove { rule in
            if isOwn(rule) { return true }
            guard rule.value(of: "--comment") == nil, rule.value(of: "-j") == "ACCEPT" else { return false }
            return [rule.value(of: "-s"), rule.value(of: "-d")].contains { $0.map { hosts.contains($0) } ?? false }
        }
    }

    /// Removes the rules of a network's attachments that are not valid any more.
    func collect(_ network: String, keeping valid: [Attachment]) throws(CNIError) {
        let mark = IPTables.quoted("cni " + Attachment.ownerPrefix(network: network))
        let beginning = String(decoding: Array(mark.utf8.dropLast()), as: UTF8.self)
        let kept = valid.map { IPTables.quoted("cni " + $0.owner) }
        try remove { rule in
            rule.mentions(beginning) && !kept.contains { rule.mentions($0) }
        }
    }

    /// Removes rules, and with the last ones what all share.
    private func remove(_ isDead: (String) -> Bool) throws(CNIError) {
        let lock = try SharedInterfaceLock.acquire(alone: true)
        defer { withExtendedLifetime(lock) {} }
        let present = try tables.list(Self.filter)
        guard present.chains.contains(Self.forward) else { return }
        let rules = present.inChain(Self.forward)
        let dead = rules.filter(isDead)
        // The administrator's chain may have had another name when the others came.
        let adminChains = rules.filter { $0.mentions(Self.overrides) }.compactMap { $0.value(of: "-j") } + [adminChain]
        let isLast = rules.allSatisfy { isDead($0) || adminChains.contains($0.value(of: "-j") ?? "") }
        if dead.isEmpty && !(isLast && rules.isEmpty) { return }
        var lines = dead.map { $0.deletion }
        if isLast {
            lines += present.leading(to: Self.forward).map { $0.deletion } + ["-F " + Self.forward]
            var chains = [Self.forward]
            for chain in adminChains where present.chains.contains(chain) && !chains.contains(chain) {
                // What the administrator wrote there stays, and so does the chain then.
                guard present.inChain(chain).isEmpty,
                    present.leading(to: chain).allSatisfy({ $0.value(of: "-A") == Self.forward })
                else { continue }
                chains.append(chain)
            }
            lines += chains.map { "-X " + $0 }
        }
        try tables.change(Self.filter, lines)
    }

    func check(_ addresses: [Prefix]) throws(CNIError) {
        let present = try tables.list(Self.filter)
        let own = present.inChain(Self.forward).filter { isOwn($0) }
        guard leads(from: "FORWARD", to: Self.forward, present), leads(from: Self.forward, to: adminChain, present),
            own.count == 2 * addresses.count
        else {
            throw CNIError.drifted(
                joined("the rules of ", attachment.owner, " in ", Self.forward, " are not as they were")
            )
        }
        for prefix in addresses {
            let host = joined(prefix.address.description, "/", String(prefix.hostLength))
            let isThere = own.contains { $0.value(of: "-s") == host } && own.contains { $0.value(of: "-d") == host }
            if !isThere { throw CNIError.drifted(joined(host, " is not let pass by ", Self.forward)) }
        }
    }
}
