// SPDX-License-Identifier: Apache-2.0

import CNI
import Linux
import NFTables

/// The rules by which a container can send only with its own hardware address.
///
/// One table serves the whole host: a map leads from the port where a frame comes in to the chain of its attachment, so
/// a frame meets the same number of rules however many containers there are. Names follow from the attachment alone.
struct SpoofCheck {
    /// The packet filter with an error that is turned into a plugin's at the border of this file.
    typealias Rules = Ruleset<RulesError>

    /// The table of the suite for what happens on bridges.
    static var table: Table { Table("bridge swift_cni") }
    /// Leads from a port to the chain of its attachment.
    static var map: String { "spoofguard" }
    /// Counts what is dropped, and keeps the table: the rule of each chain uses it, and what is used cannot be deleted.
    static var counter: String { "forged" }
    /// The chain that all frames enter.
    static var base: String { "prerouting" }

    let attachment: Attachment
    /// The name of the chain that holds the attachment's rule.
    let chain: String

    init(_ attachment: Attachment) {
        self.attachment = attachment
        chain = "mac-" + String(decoding: attachment.hash.utf8.prefix(32), as: UTF8.self)
    }

    /// How the comments of a network's rules begin; a long name is replaced by a hash, so that it is never cut.
    private static func prefix(_ network: String) -> String {
        if network.utf8.count <= 64 { return network + "/" }
        return SpoofCheck(Attachment(network: network, containerID: "", interface: "")).chain + "/"
    }

    // MARK: Adding

    /// Lets only frames with this address through that come from the container.
    func add(_ mac: String, undo: inout UndoStack) throws(CNIError) {
        do throws(RulesError) {
            var rules = try Rules.open()
            try install(mac, &rules)
        } catch {
            throw CNIError(error)
        }
        let check = self
        try undo.push("remove the spoof check of " + attachment.hostInterface) { () throws(CNIError) in
            try check.remove()?.close()
        }
    }

    /// Installs the rules, whatever other processes do meanwhile.
    ///
    /// Usually nothing is deleted and the kernel refuses nothing, for either would cost the caller 15 ms: that the table
    /// is missing libnftables finds out by itself.
    private func install(_ mac: String, _ rules: inout Rules) throws(RulesError) {
        var found = Found.table
        // A round is lost only to another process that made the table, or removed it, between two looks.
        for _ in 0..<64 {
            do { return try rules.run(installation(mac, found)) } catch {
                switch (error.errno?.rawValue, found) {
                case (Errno.noSuchFile.rawValue, _): found = .nothing
                case (Errno.fileExists.rawValue, .table): found = .oldChain
                case (Errno.fileExists.rawValue, .nothing): found = .table
                default: throw error
                }
            }
        }
        throw RulesError(.wouldBlock, "guard " + attachment.hostInterface, kernelText: "the table comes and goes")
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
    private func installation(_ mac: String, _ found: Found) -> Transaction {
        var transaction = Transaction("guard " + attachment.hostInterface, in: Self.table)
        if found == .nothing { Self.addBase(&transaction, isNew: true) }
        if found == .oldChain {
            // A second rule would drop everything, so the first one goes; only this case deletes and waits.
            transaction.add(.chain(chain))
            transaction.flush(.chain(chain))
        } else {
            transaction.create(.chain(chain))
        }
        let comment = Self.prefix(attachment.network) + attachment.containerID + "/" + attachment.interface
        transaction.add(.rule(in: chain, Self.rule(mac) + " comment " + Object.quoted(comment)))
        transaction.add(Self.element(chain))
        return transaction
    }

    /// Adds what all attachments share.
    @inline(never)
    static func addBase(_ transaction: inout Transaction, isNew: Bool) {
        if isNew { transaction.create(.table) } else { transaction.add(.table) }
        transaction.add(.counter(counter))
        transaction.add(.map(map, "type ifname : verdict;"))
        transaction.add(.chain(base, "type filter hook prerouting priority -300; policy accept;"))
        transaction.add(.rule(in: base, "iifname vmap @" + map))
    }

    private static func rule(_ mac: String) -> String { "ether saddr != " + mac + " counter name " + counter + " drop" }

    /// The element that leads to a chain; the host's interface and the chain begin with digits of the same hash.
    @inline(never)
    private static func element(_ chain: String) -> Object {
        let veth = "veth" + String(decoding: chain.utf8.dropFirst(4).prefix(11), as: UTF8.self)
        return .element(of: map, Object.quoted(veth) + " : jump " + chain)
    }

    // MARK: Removing

    /// Removes the rules, and the table after the last ones; nothing is there to be closed if the host can have no rules.
    func remove() throws(CNIError) -> Rules? {
        guard var rules = try Self.openIfPossible() else { return nil }
        do { try Self.remove([chain], &rules) } catch { throw CNIError(error) }
        return rules
    }

    /// Removes the rules of a network's attachments that are not valid any more.
    static func collect(_ network: String, keeping valid: ValidAttachments) throws(CNIError) -> Rules? {
        guard case .only(let attachments) = valid, var rules = try openIfPossible() else { return nil }
        let (kept, prefix) = (attachments.map { SpoofCheck($0).chain }, prefix(network))
        do throws(RulesError) {
            var dead: [String] = []
            for rule in try rules.list(table)?.rules ?? [] {
                let isOurs = rule.chain != base && rule.comment.utf8.starts(with: prefix.utf8)
                if isOurs, !kept.contains(rule.chain) { dead.append(rule.chain) }
            }
            if !dead.isEmpty { try remove(dead, &rules) }
        } catch {
            throw CNIError(error)
        }
        return rules
    }

    @inline(never)
    private static func remove(_ chains: [String], _ rules: inout Rules) throws(RulesError) {
        var removal = Transaction("remove spoof checks", in: table)
        for chain in chains {
            // The element needs the chain, and the chain can go only after it.
            removal.add(.chain(chain))
            removal.deleteIfExists(element(chain))
            removal.delete(.chain(chain))
        }
        var last = Transaction("remove the table", in: table)
        // Refused if an ADD came between, whose rule uses the counter: so nobody loses rules.
        last.delete(.counter(counter))
        last.delete(.table)
        do {
            try rules.run(removal)
            // A look costs nothing now, as the kernel is still busy with the deletion; a refusal would cost 15 ms more.
            guard let listing = try rules.list(table, .map(map)), listing.elements.isEmpty else { return }
        } catch {
            if error.errno == .noSuchFile { return }
            throw error
        }
        do { try rules.run(last) } catch {
            guard error.errno == .noSuchFile || error.errno == .busy else { throw error }
        }
    }

    /// Opens the packet filter; a host that has none has no rules to remove, and what else is to be removed must not wait.
    private static func openIfPossible() throws(CNIError) -> Rules? {
        do { return try Rules.open() } catch {
            guard error.errno == .notSupported else { throw CNIError(error) }
            StandardStreams.log(error.text)
            return nil
        }
    }
}

extension CNIError {
    /// Makes the failure of a transaction, with the sentence of libnftables in the details.
    init(_ error: RulesError) { self.init(.rules, "cannot " + error.operation, error.text) }
}
