// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Linux
import NFTables
import Rules

/// The rules by which a container can send only with its own hardware address.
///
/// One table serves the whole host: a map leads from the port where a frame comes in to the chain of its attachment, so
/// a frame meets the same number of rules however many containers there are. Names follow from the attachment alone.
struct SpoofCheck {
    /// The packet filter with an error that is turned into a plugin's at the border of this type.
    typealias Rules = Ruleset<RulesError>

    /// The table of the suite for what happens on bridges.
    static var table: Table { Table("bridge swift_cni") }
    /// Leads from a port to the chain of its attachment.
    static var map: String { "spoofguard" }
    /// The chain that all frames enter.
    static var base: String { "prerouting" }

    let attachment: Attachment

    init(_ attachment: Attachment) { self.attachment = attachment }

    /// The name of the chain that holds an attachment's rule.
    @inline(never)
    static func chain(_ attachment: Attachment) -> String {
        "mac-" + attachment.digits
    }

    /// Lets only frames with this address through that come from the container.
    func add(_ mac: MACAddress, undo: inout UndoStack) throws(CNIError) {
        do throws(RulesError) {
            var rules = try Rules.open()
            try install(mac, &rules)
        } catch {
            throw CNIError(error)
        }
        let check = self
        try undo.push("remove the spoof check of " + attachment.hostInterface) { () throws(CNIError) in
            if let failure = check.remove() { throw failure }
        }
    }

    /// Installs the rules, whatever other processes do meanwhile.
    ///
    /// Usually nothing is deleted and the kernel refuses nothing, for either would cost the caller 15 ms: that the table
    /// is missing libnftables finds out by itself.
    private func install(_ mac: MACAddress, _ rules: inout Rules) throws(RulesError) {
        var found = Found.table
        // A round is lost only to another process that made the table, or removed it, between two looks.
        for _ in 0..<64 {
            do { return try rules.run(installation(mac, found)) } catch {
                if error.errno == .noSuchFile {
                    found = .nothing
                } else if error.errno == .fileExists, found != .oldChain {
                    found = found == .table ? .oldChain : .table
                } else {
                    throw error
                }
            }
        }
        throw RulesError(.wouldBlock, "add a spoof check", kernelText: "the table comes and goes")
    }

    /// What an ADD finds.
    private enum Found {
        /// The table; the usual case.
        case table
        /// No table, as on a host without any other attachment.
        case nothing
        /// A chain of its own, left by an ADD that no DEL has ended, with an address that nobody has any more.
        case oldChain
    }

    @inline(never)
    private func installation(_ mac: MACAddress, _ found: Found) -> Transaction {
        let chain = Self.chain(attachment)
        var transaction = Transaction("add a spoof check", in: Self.table)
        if found == .nothing { Self.addBase(&transaction, isNew: true) }
        if found == .oldChain {
            // A second rule would drop everything, so the first one goes; only this case deletes and waits.
            transaction.add(.chain(chain))
            transaction.flush(.chain(chain))
        } else {
            transaction.create(.chain(chain))
        }
        let comment = Object.quoted(attachment.owner)
        transaction.add(.rule(in: chain, joined(Self.rule(mac), " comment ", comment)))
        transaction.add(.element(of: Self.map, Self.element(chain)))
        return transaction
    }

    /// Adds what all attachments share.
    @inline(never)
    static func addBase(_ transaction: inout Transaction, isNew: Bool) {
        if isNew { transaction.create(.table) } else { transaction.add(.table) }
        // Counts what is dropped, and keeps the table: the rule of each chain uses it, and what is used cannot be deleted.
        transaction.add(.counter("forged"))
        transaction.add(.map(map, "type ifname : verdict;"))
        transaction.add(.chain(base, "type filter hook prerouting priority -300; policy accept;"))
        transaction.add(.rule(in: base, "iifname vmap @spoofguard"))
    }

    /// The rule that drops what does not come from an address, as nft(8) writes it.
    @inline(never)
    static func rule(_ mac: MACAddress) -> String {
        joined("ether saddr != ", mac.description, " counter name \"forged\" drop")
    }

    /// The element that leads to a chain; the host's interface and the chain begin with digits of the same hash.
    @inline(never)
    static func element(_ chain: String) -> String {
        let digits = String(decoding: Array(chain.utf8).dropFirst(4).prefix(11), as: UTF8.self)
        return joined("\"veth", digits, "\" : jump ", chain)
    }
}
