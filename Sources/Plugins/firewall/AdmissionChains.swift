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
/// packets to a published port are: whoever publishes one wants them. So are those from networks that are named.
struct AdmissionChains {
    static var forward: String { "CNI-FORWARD" }
    private static var filter: String { "filter" }
    /// The comment of the rule that leads to the administrator's chain.
    private static var overrides: String { "\"CNI firewall plugin admin overrides\"" }

    private let attachment: Attachment
    private let tables: IPTables
    private let adminChain: String
    private let admitFrom: [Prefix]

    init(_ attachment: Attachment, _ tables: IPTables, _ configuration: FirewallConfiguration) {
        self.attachment = attachment
        self.tables = tables
        adminChain = configuration.adminChain
        admitFrom = configuration.admitFrom
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

    /// Packets that a rule lets pass; no address stands for any.
    private struct Passage {
        var source: String?
        var destination: String?
        var condition = ""
    }

    /// What is let pass for containers with the addresses.
    private func passages(_ addresses: [Prefix]) -> [Passage] {
        var passages: [Passage] = []
        for prefix in addresses {
            let host = Self.host(prefix.address)
            passages.append(
                Passage(destination: host, condition: " -m conntrack --ctstate RELATED,ESTABLISHED,DNAT")
            )
            passages.append(Passage(source: host))
            for network in admitFrom where network.address.family == tables.family {
                // What iptables lists does not name the network of all addresses.
                let source = network.length == 0 ? nil : network.description
                passages.append(Passage(source: source, destination: host))
                guard tables.family == .v6 else { continue }
                // Where packets within a bridge come by, so do the neighbours' questions who has the address.
                let group = Self.host(prefix.address.solicitedNodeGroup)
                passages.append(Passage(source: source, destination: group))
            }
        }
        return passages
    }

    /// The address as iptables lists it.
    private static func host(_ address: IPAddress) -> String {
        joined(address.description, "/", String(address.family.hostLength))
    }

    private func rules(_ addresses: [Prefix]) -> [String] {
        let mark = joined(" -m comment --comment ", comment)
        return passages(addresses).map { passage in
            var rule = "-A " + Self.forward
            if let source = passage.source { rule += " -s " + source }
            if let destination = passage.destination { rule += " -d " + destination }
            return joined(rule, mark, passage.condition, " -j ACCEPT")
        }
    }

    /// Removes the attachment's rules, and those that the reference made for the addresses.
    func remove(_ addresses: [Prefix]) throws(CNIError) {
        let hosts = addresses.map { Self.host($0.address) }
        try remove { rule in
            if isOwn(rule) { return true }
            guard rule.value(of: "--comment") == nil, rule.value(of: "-j") == "ACCEPT" else { return false }
            return [rule.value(of: "-s"), rule.value(of: "-d")].contains { $0.map { hosts.contains($0) } ?? false }
        }
    }

    /// Removes the rules of a network's attachments that are not valid any more.
    func collect(_ network: String, keeping valid: [Attachment]) throws(CNIError) {
        let beginning = IPTables.quotedBeginning("cni " + Attachment.ownerPrefix(network: network))
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
        let passages = passages(addresses)
        guard leads(from: "FORWARD", to: Self.forward, present), leads(from: Self.forward, to: adminChain, present),
            own.count == passages.count
        else {
            throw CNIError.drifted(
                joined("the rules of ", attachment.owner, " in ", Self.forward, " are not as they were")
            )
        }
        for passage in passages {
            let isThere = own.contains {
                $0.value(of: "-s") == passage.source && $0.value(of: "-d") == passage.destination
            }
            if isThere { continue }
            let (source, destination) = (passage.source ?? "anybody", passage.destination ?? "anybody")
            throw CNIError.drifted(
                joined("packets from ", source, " to ", destination, " are not let pass by ", Self.forward)
            )
        }
    }
}
