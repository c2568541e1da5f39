// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Linux
import NFTables

/// Chains that belong to a container each, in whichever families and variants they are.
extension IPTables {
    /// The chains of a network's containers that are not valid any more.
    ///
    /// A rule of the chain `entry` leads to each of them, and begins its comment with the name of the network. Their own names
    /// begin with a prefix.
    public static func deadChains(
        behind entry: String,
        in table: String,
        named prefix: String,
        comment: String,
        keeping kept: [String]
    ) throws(CNIError) -> [String] {
        let beginning = quotedBeginning(comment)
        var dead: [String] = []
        for (_, tables) in holders(of: [entry], in: table) {
            for rule in try tables.list(table).inChain(entry) where rule.mentions(beginning) {
                guard let chain = rule.value(of: "-j"), chain.begins(with: prefix) else { continue }
                if !kept.contains(chain) && !dead.contains(chain) { dead.append(chain) }
            }
        }
        return dead
    }

    /// The chains with the families and variants in which a table may hold them.
    public static func holders(of chains: [String], in table: String) -> [(chain: String, tables: IPTables)] {
        var holders: [(chain: String, tables: IPTables)] = []
        for family in [IPAddress.Family.v4, .v6] {
            for chain in chains {
                for tables in mayHold(chain, in: table, family) { holders.append((chain, tables)) }
            }
        }
        return holders
    }

    /// How a text begins in quotation marks, of which more follows.
    public static func quotedBeginning(_ text: String) -> String {
        String(decoding: Array(quoted(text).utf8.dropLast()), as: UTF8.self)
    }
}
