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
        let kept = attachments.map { chain($0) }
        let mark = IPTables.quoted(joined("dnat name: \"", network, "\" id: \""))
        let beginning = String(decoding: mark.utf8.dropLast(), as: UTF8.self)
        var dead: [String] = []
        for family in [IPAddress.Family.v4, .v6] {
            for tables in IPTables.mayHold(entry, in: nat, family) {
                for rule in try tables.list(nat).inChain(entry) where rule.mentions(beginning) {
                    guard let chain = rule.value(of: "-j"), chain.utf8.starts(with: "CNI-DN-".utf8) else { continue }
                    if !kept.contains(chain) && !dead.contains(chain) { dead.append(chain) }
                }
            }
        }
        try remove(dead)
    }

    private static func remove(_ chains: [String]) throws(CNIError) {
        for family in [IPAddress.Family.v4, .v6] {
            for chain in chains {
                for tables in IPTables.mayHold(chain, in: nat, family) { try remove(chain, tables) }
            }
        }
    }

    /// Removes a chain with what leads to it, and with the last one what all share.
    private static func remove(_ chain: String, _ tables: IPTables) throws(CNIError) {
        let lock = try SharedInterfaceLock.acquire(alone: true)
        defer { withExtendedLifetime(lock) {} }
        let present = try tables.list(nat)
        guard present.chains.contains(chain) else { return }
        let references = present.leading(to: chain)
        var lines = references.map { $0.deletion }
        var chains = [chain]
        if present.inChain(entry).allSatisfy({ references.contains($0) }) {
            for shared in [entry, masquerade, setMark] where present.chains.contains(shared) {
                lines += present.leading(to: shared).filter { !$0.utf8.starts(with: "-A CNI-DN-".utf8) }.map {
                    $0.deletion
                }
                chains.append(shared)
            }
        }
        // First all rules and then all chains: iptables-nft has trouble with what is in use in between.
        try tables.change(nat, lines + chains.map { "-F " + $0 } + chains.map { "-X " + $0 })
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
            let own = mappings.filter { $0.applies(to: target.address.family) }
            let present = try IPTables(target.address.family).list(Self.nat)
            let expected = rules(own, target, style)
            guard present.inChain(chain).count == expected.count, !present.leading(to: chain).isEmpty else {
                return false
            }
            for mapping in own {
                let port = String(mapping.hostPort)
                let isThere = present.inChain(chain).contains { rule in
                    rule.value(of: "-j") == "DNAT" && rule.value(of: "--dport") == port
                        && rule.value(of: "-p") == mapping.transport.rawValue
                }
                if !isThere { return false }
            }
            for hook in ["PREROUTING", "OUTPUT"]
            where !present.inChain(hook).contains(where: { $0.value(of: "-j") == Self.entry }) {
                return false
            }
        }
        return true
    }
}
