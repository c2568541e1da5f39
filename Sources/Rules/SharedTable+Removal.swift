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
        guard try !isEmpty else { return nil }
        var rules = try Rules.open()
        guard let listing = try rules.list(table, .map(Record.name(attachment))),
            let record = Record.all(in: listing).first
        else {
            return nil
        }
        return try remove(record, &rules)
    }

    /// Removes what a network's attachments have that are not valid any more.
    ///
    /// - Returns: What went.
    public func collect(_ network: String, keeping valid: ValidAttachments) throws(RulesError) -> [Removed] {
        guard case .only(let attachments) = valid, try !isEmpty else { return [] }
        var rules = try Rules.open()
        guard let listing = try rules.list(table) else { return [] }
        let kept = attachments.map { Record.name($0) }
        let prefix = Attachment.ownerPrefix(network: network)
        var removed: [Removed] = []
        for record in Record.all(in: listing)
        where record.owner.utf8.starts(with: prefix.utf8) && !kept.contains(record.name) {
            removed.append(try remove(record, &rules))
        }
        return removed
    }

    /// Whether an attachment has what it is to have: its record, each element and each rule.
    public func holds(_ attachment: Attachment, _ belongings: Belongings) throws(RulesError) -> Bool {
        guard try !isEmpty else { return false }
        var rules = try Rules.open()
        guard let listing = try rules.list(table) else { return false }
        let name = Record.name(attachment)
        guard let record = Record.all(in: listing).first(where: { $0.name == name }) else { return false }
        // What is shared depends on who came first, and need not be the same when it is planned again.
        let (own, planned) = (record.lines.filter { $0.chain == Record.kept }, belongings.lines)
        return own.elementsEqual(planned.filter { $0.chain == Record.kept }) { $0.text == $1.text }
            && belongings.isListed(listing)
    }

    /// Removes what a record names, with the record.
    ///
    /// Where something was removed by hand, the kernel refuses the whole; then each thing goes by itself.
    func remove(_ record: Record, _ rules: inout Rules) throws(RulesError) -> Removed {
        for _ in 0..<64 {
            let plan = try plan(record)
            do {
                try rules.run(plan.transaction(in: table))
                if !plan.isLast { try removeBaseIfIdle(&rules) }
                return plan.removed
            } catch {
                // Somebody has come to use what was to go; the next look shows it.
                if error.errno == .busy { continue }
                guard error.errno == .noSuchFile else { throw error }
                guard try rules.list(table, .map(record.name)) != nil else { return Removed() }
                for piece in plan.pieces(in: table) {
                    do { try rules.run(piece) } catch {
                        if error.errno != .noSuchFile && error.errno != .busy { throw error }
                    }
                }
                try removeBaseIfIdle(&rules)
                return plan.removed
            }
        }
        throw RulesError(.busy, joined("remove rules of ", record.owner), kernelText: "others come and go")
    }

    /// Removes the table if those who left at the same time have each seen the other.
    private func removeBaseIfIdle(_ rules: inout Rules) throws(RulesError) {
        guard try use(ofChain: Record.kept) == 0 else { return }
        var removal = Transaction(joined("remove ", table.description), in: table)
        removal.delete(.chain(Record.kept))
        removal.delete(.table)
        do { try rules.run(removal) } catch {
            if error.errno != .noSuchFile && error.errno != .busy { throw error }
        }
    }

    private func plan(_ record: Record) throws(RulesError) -> Removal {
        var plan = Removal(record: record)
        var chains: [(name: String, count: Int)] = [(Record.kept, 1)]
        for line in record.lines {
            if let place = chains.firstIndex(where: { $0.name == line.chain }) {
                chains[place].count += 1
            } else {
                chains.append((line.chain, 1))
            }
        }
        for chain in chains {
            let use = try use(ofChain: chain.name)
            if chain.name == Record.kept {
                plan.isLast = use == chain.count
            } else if use == chain.count + idleUse {
                plan.idleChains.append(chain.name)
            }
        }
        return plan
    }
}

/// An element of a shared table.
public struct Element: Sendable {
    /// The map or set.
    public let map: String
    /// The key, as the language writes it.
    public let key: String

    /// Names an element.
    public init(map: String, key: String) {
        self.map = map
        self.key = key
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
            let isOwn = line.chain == Record.kept
            guard isOwn || idleChains.contains(line.chain) else { continue }
            for element in Record.elements(line.text) where element.map != "chain" {
                let element = Element(map: element.map, key: element.key)
                if isOwn { removed.own.append(element) } else { removed.shared.append(element) }
            }
        }
        return removed
    }

    /// All of it at once: elements before the chains that they lead to, and the table as the last.
    func transaction(in table: Table) -> Transaction {
        var removal = Transaction(joined("remove rules of ", record.owner), in: table)
        var (map, keys) = ("", "")
        for element in removed.own + removed.shared {
            if element.map != map, !keys.isEmpty {
                removal.delete(.element(of: map, keys))
                keys = ""
            }
            keys += keys.isEmpty ? element.key : ", " + element.key
            map = element.map
        }
        if !keys.isEmpty { removal.delete(.element(of: map, keys)) }
        // The kernel counts a chain's users down before it looks whether the chain may go, if its users go first.
        removal.flush(.map(record.name))
        removal.delete(.map(record.name))
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
        return (removed.own + removed.shared).map { element in
            piece { $0.delete(.element(of: element.map, element.key)) }
        }
            + [piece { $0.delete(.map(record.name)) }]
            + chains.flatMap { chain in [piece { $0.flush(.chain(chain)) }, piece { $0.delete(.chain(chain)) }] }
    }

    private var chains: [String] {
        var chains = idleChains
        for line in record.lines {
            for element in Record.elements(line.text) where element.map == "chain" { chains.append(element.key) }
        }
        return chains
    }
}
