// SPDX-License-Identifier: Apache-2.0

import CNI
import Linux
import NFTables

extension SharedTable {
    /// Removes all that an attachment has, and what all share with the last one.
    ///
    /// Where the table doesn't exist, libnftables is not even loaded.
    ///
    /// - Returns: What went; nothing if the attachment had nothing.
    public func remove(_ attachment: Attachment) throws(RulesError) -> Removed? {
        let socket = TableSocket()
        guard let record = try record(attachment.hostInterface, socket) else { return nil }
        let plan = try plan(record, socket)
        if plan.isElementsOnly, let removed = try removeElements(plan, socket) { return removed }
        var rules = try Rules.open()
        return try remove(record, &rules, socket)
    }

    /// Removes what a network's attachments have that are not valid any more.
    ///
    /// - Returns: What went.
    public func collect(_ network: String, keeping valid: ValidAttachments) throws(RulesError) -> [Removed] {
        let socket = TableSocket()
        guard case .only(let attachments) = valid, try !isEmpty(socket) else { return [] }
        var rules = try Rules.open()
        guard let listing = try rules.list(table) else { return [] }
        let kept = attachments.map { $0.hostInterface }
        let prefix = Attachment.ownerPrefix(network: network)
        var removed: [Removed] = []
        for listed in Record.all(in: listing)
        where listed.number == 0 && listed.line.text.begins(with: prefix) && !kept.contains(listed.name) {
            if let record = try record(listed.name, socket) { removed.append(try remove(record, &rules, socket)) }
        }
        return removed
    }

    /// Whether an attachment has what it is to have: its record, each element and each rule.
    public func holds(_ attachment: Attachment, _ belongings: Belongings) throws(RulesError) -> Bool {
        guard let record = try record(attachment.hostInterface, TableSocket()) else { return false }
        var rules = try Rules.open()
        guard let listing = try rules.list(table) else { return false }
        // What is shared depends on who came first, and need not be the same when it is planned again.
        let own = record.lines.filter { !$0.isShared }.flatMap { Record.elements($0.text) }.filter { $0.isReal }
        let (planned, known) = (belongings.exclusiveElements, ElementSet(own))
        return own.count == planned.count && planned.allSatisfy { known.contains($0) } && belongings.isListed(listing)
            && isFounded(in: listing)
    }

    /// Whether a listing shows no fewer rules in the chains that all share than they had at first.
    private func isFounded(in listing: Listing) -> Bool {
        var founding = Transaction("", in: table)
        base(&founding)
        let wanted = Listing(founding.text)
        var missing = wanted.count("add rule ")
        for chain in listing.blocks("\tchain ") {
            let count = wanted.count(joined("add rule ", table.description, " ", chain.name, " "))
            let shown = Listing(chain.text)
            if shown.count("\n\t\t") - shown.count("\n\t\ttype ") < count { return false }
            missing -= count
        }
        return missing == 0
    }

    /// Removes what a record names, with the record.
    ///
    /// Where something was removed by hand, the kernel refuses the whole; then each thing goes by itself.
    func remove(
        _ record: Record,
        _ rules: inout Rules,
        _ socket: borrowing TableSocket
    ) throws(RulesError) -> Removed {
        for _ in 0..<64 {
            let plan = try plan(record, socket)
            do {
                try rules.run(plan.transaction(in: table))
                if plan.isLast { return plan.removed }
                return try removeIdle(behind: plan, socket)
            } catch {
                // Somebody has come to use what was to go; the next look shows it.
                if error.errno == .busy { continue }
                guard error.errno == .noSuchFile else { throw error }
                if try isEmpty(socket) { return Removed() }
                for piece in plan.pieces(in: table) {
                    do { try rules.run(piece) } catch {
                        if error.errno != .noSuchFile && error.errno != .busy { throw error }
                    }
                }
                return try removeIdle(behind: plan, socket)
            }
        }
        throw RulesError(.busy, joined("remove rules of ", record.owner), kernelText: "others come and go")
    }

    /// Removes what goes if it is elements alone.
    ///
    /// - Returns: What went; nothing if they were not there, and nothing was done.
    private func removeElements(
        _ plan: Removal,
        _ socket: borrowing TableSocket
    ) throws(RulesError) -> Removed? {
        var batch = ElementBatch(joined("remove elements of ", plan.record.owner), in: table)
        for key in plan.record.keys { batch.add(.delete, Record.map, key) }
        for line in plan.record.lines where !line.isShared {
            guard let entry = Record.Entry(line.text) else { continue }
            if let ports = entry.ports {
                batch.add(.delete, entry.map, entry.key, ports: ports)
            } else {
                batch.add(.delete, entry.map, entry.key)
            }
        }
        guard batch.isExpressed else { return nil }
        do { try batch.run(RulesError.self) } catch {
            if error.errno == .noSuchFile { return nil }
            throw error
        }
        return try removeIdle(behind: plan, socket)
    }

    /// Removes what nobody needs any more because those who left at the same time have each seen the other.
    ///
    /// - Returns: What went with the plan and behind it.
    private func removeIdle(
        behind plan: Removal,
        _ socket: borrowing TableSocket
    ) throws(RulesError) -> Removed {
        var removed = plan.removed
        for line in plan.record.lines where line.chain != Record.kept {
            // Its first line takes the chain along, and the others find none.
            if try use(ofChain: line.chain, socket) != idleUse { continue }
            var removal = Transaction(joined("remove the chain ", line.chain), in: table)
            var shared: [Element] = []
            for other in plan.record.lines where other.isShared && other.chain == line.chain {
                shared += Record.elements(other.text)
            }
            for element in shared where element.isReal { removal.delete(.element(of: element.map, element.key)) }
            removal.flush(.chain(line.chain))
            removal.delete(.chain(line.chain))
            if try runUnlessLate(removal) { removed.shared += shared }
        }
        if try use(ofChain: Record.kept, socket) == 0 {
            var removal = Transaction(joined("remove ", table.description), in: table)
            removal.delete(.chain(Record.kept))
            removal.delete(.table)
            _ = try runUnlessLate(removal)
        }
        return removed
    }

    /// Runs a removal.
    ///
    /// - Returns: Whether it happened; not if somebody else did it, or has come to use what was to go.
    private func runUnlessLate(_ removal: Transaction) throws(RulesError) -> Bool {
        var rules = try Rules.open()
        do { try rules.run(removal) } catch {
            if error.errno != .noSuchFile && error.errno != .busy { throw error }
            return false
        }
        return true
    }

    private func plan(_ record: Record, _ socket: borrowing TableSocket) throws(RulesError) -> Removal {
        var plan = Removal(record: record)
        // The element of the record counts, and so does an element of the attachment's own that leads to the chain.
        var uses: [(chain: String, count: Int)] = [(Record.kept, 1)]
        for line in record.lines {
            let count = line.chain == Record.kept || line.isShared ? 1 : 2
            if let place = uses.firstIndex(where: { $0.chain == line.chain }) {
                uses[place].count += count
            } else {
                uses.append((line.chain, count))
            }
        }
        for own in uses {
            let use = try use(ofChain: own.chain, socket)
            if own.chain == Record.kept {
                plan.isLast = use == own.count
            } else if use == own.count + idleUse {
                plan.idleChains.append(own.chain)
            }
        }
        return plan
    }
}

/// What went with an attachment.
public struct Removed: Sendable {
    /// The elements that were its own.
    public var own: [Element] = []
    /// The shared elements that nobody else needs.
    public var shared: [Element] = []
}

/// What goes with an attachment.
struct Removal {
    let record: Record
    /// The shared chains that nobody else needs.
    var idleChains: [String] = []
    /// Whether nobody else has anything in the table.
    var isLast = false

    /// The elements that go.
    var removed: Removed {
        var removed = Removed()
        for line in record.lines {
            if !line.isShared {
                removed.own += Record.elements(line.text)
            } else if idleChains.contains(line.chain) {
                removed.shared += Record.elements(line.text)
            }
        }
        return removed
    }

    /// Whether nothing goes but elements, as is usual.
    var isElementsOnly: Bool { !isLast && chains.isEmpty }

    /// The elements that the packet filter has.
    var elements: [Element] { (removed.own + removed.shared).filter { $0.isReal } }

    private var chains: [String] { idleChains + removed.own.filter { $0.map == "=chain" }.map { $0.key } }

    /// All of it at once: elements before the chains that they lead to, and the table as the last.
    func transaction(in table: Table) -> Transaction {
        var removal = Transaction(joined("remove rules of ", record.owner), in: table)
        var (map, keys) = ("", "")
        for element in elements {
            if element.map != map, !keys.isEmpty {
                removal.delete(.element(of: map, keys))
                keys = ""
            }
            keys += keys.isEmpty ? element.key : ", " + element.key
            map = element.map
        }
        if !keys.isEmpty { removal.delete(.element(of: map, keys)) }
        removal.delete(.element(of: Record.map, record.keys.joined(separator: ", ")))
        for chain in chains {
            removal.flush(.chain(chain))
            removal.delete(.chain(chain))
        }
        if isLast {
            removal.delete(.chain(Record.kept))
            removal.delete(.table)
        }
        return removal
    }

    /// The same, each thing by itself.
    func pieces(in table: Table) -> [Transaction] {
        func piece(_ build: (inout Transaction) -> Void) -> Transaction {
            var transaction = Transaction(joined("remove rules of ", record.owner), in: table)
            build(&transaction)
            return transaction
        }
        return elements.map { element in
            piece { $0.delete(.element(of: element.map, element.key)) }
        }
            + [piece { $0.delete(.element(of: Record.map, record.keys.joined(separator: ", "))) }]
            + chains.flatMap { chain in [piece { $0.flush(.chain(chain)) }, piece { $0.delete(.chain(chain)) }] }
    }
}
