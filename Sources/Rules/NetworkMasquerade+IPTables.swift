// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Linux
import NFTables

/// The same rules in table nat: a chain for the network, and a rule for each range of it that leads there.
extension NetworkMasquerade {
    private static var nat: String { "nat" }

    /// The name of the chain; it begins as the reference's do, so that people know where it comes from.
    private var chain: String { "CNI-" + digits("overlay " + network, 24) }

    /// The rules of the chain as the program lists them.
    private func inChain(_ family: IPAddress.Family) -> [String] {
        let past = tunnel.isEmpty ? "" : " ! -o " + tunnel
        return networks(family).map { joined("-A ", chain, " -d ", $0, " -j ACCEPT") }
            + [joined("-A ", chain, " ! -d ", Masquerade.words(family).1, past, " -j MASQUERADE")]
    }

    /// The rules that lead to the chain as the program lists them.
    private func leading(_ family: IPAddress.Family) -> [String] {
        let rest = joined(" -m comment --comment ", IPTables.quoted("overlay: " + network), " -j ", chain)
        return networks(family).map { joined("-A POSTROUTING -s ", $0, rest) }
    }

    func addToIPTables() throws(CNIError) {
        for family in families {
            let tables = IPTables(family)
            let outdated = try tables.list(Self.nat).leading(to: chain).map { $0.deletion }
            try tables.change(Self.nat, [":" + chain] + outdated + inChain(family) + leading(family))
        }
    }

    func isInIPTables() throws(CNIError) -> Bool {
        for family in families {
            if IPTables.mayHold(chain, in: Self.nat, family).isEmpty { return false }
            let present = try IPTables(family).list(Self.nat)
            let isRight = present.leading(to: chain) == leading(family) && present.inChain(chain) == inChain(family)
            if !isRight { return false }
        }
        return true
    }

    var mayBeInIPTables: Bool { !IPTables.holders(of: [chain], in: Self.nat).isEmpty }

    func removeFromIPTables() throws(CNIError) {
        for (chain, tables) in IPTables.holders(of: [chain], in: Self.nat) { try tables.remove(chain, from: Self.nat) }
    }
}
