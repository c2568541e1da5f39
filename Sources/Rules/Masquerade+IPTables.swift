// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import Linux
import NFTables

/// The reference's rules: a chain for each container in table nat, and a rule for each address that leads to it.
extension Masquerade {
    private static var nat: String { "nat" }
    private static var postrouting: String { "POSTROUTING" }

    /// The name of the chain, of which the interface is no part.
    private static func chain(_ network: String, _ containerID: String) -> String {
        let hash = SHA512.hexadecimal(of: Array(network.utf8) + Array(containerID.utf8))
        return "CNI-" + String(decoding: hash.utf8.prefix(24), as: UTF8.self)
    }

    private static func comment(_ network: String, _ containerID: String) -> String {
        joined("name: \"", network, "\" id: \"", containerID, "\"")
    }

    func addToIPTables(_ addresses: [Prefix], _ family: IPAddress.Family) throws(CNIError) {
        let chain = Self.chain(attachment.network, attachment.containerID)
        let comment = IPTables.quoted(Self.comment(attachment.network, attachment.containerID))
        let (_, groups) = Self.words(family)
        let lock = try SharedInterfaceLock.acquire(alone: true)
        defer { withExtendedLifetime(lock) {} }
        let tables = IPTables(family)
        var lines = [":" + chain] + (try tables.list(Self.nat).leading(to: chain).map { $0.deletion })
        let front = "-A " + chain
        let own = addresses.filter { $0.address.family == family }
        for prefix in own {
            lines.append(
                joined(front, " -d ", prefix.masked.description, " -m comment --comment ", comment, " -j ACCEPT")
            )
        }
        // Behind all networks, or packets within the second one would be masqueraded, as the reference does.
        lines.append(joined(front, " ! -d ", groups, " -m comment --comment ", comment, " -j MASQUERADE"))
        for prefix in own {
            lines.append(
                joined(
                    "-A ",
                    Self.postrouting,
                    " -s ",
                    prefix.address.description,
                    " -m comment --comment ",
                    comment,
                    " -j ",
                    chain
                )
            )
        }
        try tables.change(Self.nat, lines)
    }

    func removeFromIPTables() throws(CNIError) {
        try Self.remove([Self.chain(attachment.network, attachment.containerID)])
    }

    /// Removes chains with what leads to them; a program is started only where one of them may be.
    private static func remove(_ chains: [String]) throws(CNIError) {
        for (chain, tables) in IPTables.holders(of: chains, in: nat) {
            let lock = try SharedInterfaceLock.acquire(alone: true)
            defer { withExtendedLifetime(lock) {} }
            try tables.remove(chain, from: nat)
        }
    }

    static func collectFromIPTables(_ network: String, keeping valid: ValidAttachments) throws(CNIError) {
        guard case .only(let attachments) = valid else { return }
        try remove(
            try IPTables.deadChains(
                behind: postrouting,
                in: nat,
                named: "CNI-",
                comment: joined("name: \"", network, "\" id: \""),
                keeping: attachments.map { chain($0.network, $0.containerID) }
            )
        )
    }

    func isInIPTables(_ addresses: [Prefix]) throws(CNIError) -> Bool {
        let chain = Self.chain(attachment.network, attachment.containerID)
        for family in Self.families(addresses) {
            let rules = try IPTables(family).list(Self.nat)
            let count = addresses.filter { $0.address.family == family }.count
            if rules.inChain(chain).count != count + 1 || rules.leading(to: chain).count != count { return false }
        }
        return true
    }
}
