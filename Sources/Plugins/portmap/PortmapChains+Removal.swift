// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import Linux
import NFTables
import Rules

extension PortmapChains {
    /// Removes the container's chain wherever it is.
    func remove() throws(CNIError) { try Self.remove([chain]) }

    /// Removes the chains of a network's containers that are not valid any more.
    static func collect(_ network: String, keeping valid: ValidAttachments) throws(CNIError) {
        guard case .only(let attachments) = valid else { return }
        try remove(
            try IPTables.deadChains(
                behind: entry,
                in: nat,
                named: "CNI-DN-",
                comment: joined("dnat name: \"", network, "\" id: \""),
                keeping: attachments.map { chain($0) }
            )
        )
    }

    private static func remove(_ chains: [String]) throws(CNIError) {
        for (chain, tables) in IPTables.holders(of: chains, in: nat) { try remove(chain, tables) }
    }

    /// Removes a chain with what leads to it, and with the last one what all share.
    private static func remove(_ chain: String, _ tables: IPTables) throws(CNIError) {
        let lock = try SharedInterfaceLock.acquire(alone: true)
        defer { withExtendedLifetime(lock) {} }
        let present = try tables.list(nat, and: raw)
        guard present.chains.contains(chain) else { return }
        let references = present.leading(to: chain)
        var lines = references.map { $0.deletion }
        var chains = [chain]
        var last: [String] = []
        if present.inChain(entry).allSatisfy({ references.contains($0) }) {
            for shared in [entry, masquerade, setMark] where present.chains.contains(shared) {
                lines += present.leading(to: shared).filter { !$0.begins(with: "-A CNI-DN-") }.map {
                    $0.deletion
                }
                chains.append(shared)
            }
            if present.rules.contains(shield) { last = ["*" + raw, shield.deletion] }
        }
        // First all rules and then all chains: iptables-nft has trouble with what is in use in between.
        try tables.change(nat, lines + chains.map { "-F " + $0 } + chains.map { "-X " + $0 } + last)
        var elements: [Element] = []
        for rule in present.inChain(chain) where rule.value(of: "-j") == "DNAT" {
            guard let transport = rule.value(of: "-p"), let port = rule.value(of: "--dport") else { continue }
            let n = tables.family == .v4 ? "4" : "6"
            if let host = rule.value(of: "-d") {
                let address = String(decoding: Array(host.utf8.prefix { $0 != UInt8(ascii: "/") }), as: UTF8.self)
                elements.append(Element(map: "hosts" + n, key: joined(address, " . ", transport, " . ", port)))
            } else {
                elements.append(Element(map: "ports" + n, key: joined(transport, " . ", port)))
            }
        }
        try Flows.forget(elements)
    }

    /// Whether everything is there that ADD made.
    func areThere(_ mappings: [PortMapping], _ targets: [Target], _ style: Style) throws(CNIError) -> Bool {
        for target in targets {
            let family = target.address.family
            let own = mappings.filter { $0.applies(to: family) }
            let present = try IPTables(family).list(Self.nat, and: Self.raw)
            let conditions = style.conditions(family)
            let (narrow, wide) = entries(own, conditions)
            let (expected, found) = (narrow + wide, present.leading(to: chain))
            guard present.inChain(chain) == rules(own, target, style), found.count == expected.count,
                (shared(style, present) + loopback(style, family, present)).isEmpty
            else {
                return false
            }
            // What iptables makes of conditions only iptables knows.
            let options = Self.nameDestination(conditions) ? ["-p", "--dports"] : ["-p", "--dports", "-d"]
            for (rule, wanted) in zip(found, expected) {
                let isSame =
                    conditions.isEmpty
                    ? rule == joined("-A ", Self.entry, wanted)
                    : rule.value(of: "-A") == Self.entry
                        && options.allSatisfy { rule.value(of: $0) == wanted.value(of: $0) }
                if !isSame { return false }
            }
        }
        return true
    }
}
