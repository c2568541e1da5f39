// SPDX-License-Identifier: Apache-2.0

import CNI
import Linux
import NFTables

/// A table of the packet filter in which attachments of all networks have elements and chains.
///
/// What all share comes with the first attachment and goes with the last. What one has is written in its record, so DEL needs
/// neither configuration nor previous result, and neither its work nor a packet's way grows with the number of
/// attachments. Every line of a record leads to the chain "kept", which the kernel deletes only when none does any more: so
/// the table never goes under an attachment that is just coming.
public struct SharedTable: Sendable {
    /// The packet filter with an error that becomes a plugin's at the border of this module.
    typealias Rules = Ruleset<RulesError>

    let table: Table
    let idleUse: Int
    private let base: @Sendable (inout Transaction) -> Void

    /// Describes a table by its name and what all attachments share.
    ///
    /// `idleUse` tells how many rules a chain that only some attachments share has, and how many elements lead to it.
    public init(_ name: String, idleUse: Int = 0, base: @escaping @Sendable (inout Transaction) -> Void) {
        table = Table(name)
        self.idleUse = idleUse
        self.base = base
    }

    /// Adds what an attachment is to have.
    ///
    /// Usually nothing is deleted and the kernel refuses nothing, for either would cost 8 ms or more.
    ///
    /// `yields` tells whether the holder of what is wanted is known to be dead, and goes.
    ///
    /// - Throws: EADDRINUSE with the name of a holder that does not yield.
    public func add(
        _ attachment: Attachment,
        _ belongings: Belongings,
        yields: (Record) -> Bool
    ) throws(RulesError) {
        var rules = try Rules.open()
        var isFounded = true
        var idleRounds = 0
        // A round is lost only to another process that made what is shared, or removed it, between two looks.
        for _ in 0..<64 {
            do { return try rules.run(try installation(attachment, belongings, isFounded)) } catch {
                if error.errno == .noSuchFile {
                    isFounded = false
                } else if error.errno == .fileExists {
                    if isFounded, try !makeRoom(for: attachment, belongings, yields, &rules) {
                        idleRounds += 1
                        if idleRounds > 4 { throw error }
                    }
                    isFounded = true
                } else {
                    throw error
                }
            }
        }
        throw RulesError(
            .wouldBlock,
            joined("add rules to ", table.description),
            kernelText: "the table comes and goes"
        )
    }

    /// Removes what is in the way: what an earlier ADD of the same attachment left, and what those have who yield.
    ///
    /// - Returns: Whether there was anything.
    private func makeRoom(
        for attachment: Attachment,
        _ belongings: Belongings,
        _ yields: (Record) -> Bool,
        _ rules: inout Rules
    ) throws(RulesError) -> Bool {
        guard let listing = try rules.list(table) else { return false }
        let wanted = belongings.exclusiveElements
        var found = false
        for record in Record.all(in: listing) {
            let isOwn = record.name == Record.name(attachment)
            let claimed = record.lines.first { line in
                line.chain == "kept"
                    && Record.elements(line.text).contains { wanted.contains(joined($0.map, " ", $0.key)) }
            }
            guard isOwn || claimed != nil else { continue }
            if let claimed, !isOwn, !yields(record) {
                throw RulesError(
                    .addressInUse,
                    joined("add rules to ", table.description),
                    kernelText: joined(claimed.text, " belongs to ", record.owner)
                )
            }
            found = true
            _ = try remove(record, &rules)
        }
        return found
    }

    @inline(never)
    private func installation(
        _ attachment: Attachment,
        _ belongings: Belongings,
        _ isFounded: Bool
    ) throws(RulesError) -> Transaction {
        var transaction = Transaction(joined("add rules to ", table.description), in: table)
        if !isFounded { found(&transaction, isNew: true) }
        let name = Record.name(attachment)
        for chain in belongings.chains { chain.create(in: &transaction) }
        for chain in belongings.sharedChains {
            let use = isFounded ? try use(ofChain: chain.name) : nil
            if use == nil { chain.create(in: &transaction) }
        }
        transaction.create(.map(name, "type inet_service : verdict;"))
        var content = joined("0 comment ", Object.quoted(attachment.owner), " : jump kept")
        for (number, line) in belongings.lines.enumerated() {
            content += joined(", ", String(number + 1), " comment ", Object.quoted(line.text), " : jump ", line.chain)
        }
        transaction.add(.element(of: name, content))
        for elements in belongings.elements {
            transaction.create(.element(of: elements.map, elements.contents.joined(separator: ", ")))
        }
        return transaction
    }

    /// Adds what all attachments share.
    private func found(_ transaction: inout Transaction, isNew: Bool) {
        if isNew { transaction.create(.table) } else { transaction.add(.table) }
        transaction.add(.chain("kept"))
        base(&transaction)
    }

    /// Asks the kernel whether the rules could be had, without making any.
    public func probe() throws(RulesError) {
        var base = Transaction(joined("use the table ", table.description), in: table)
        found(&base, isNew: false)
        var rules = try Rules.open()
        try rules.check(base)
    }

    /// Whether nobody has anything in the table, because it doesn't exist.
    public var isEmpty: Bool { get throws(RulesError) { try use(ofChain: Record.kept) == nil } }

    /// How often a chain is used; nothing if it doesn't exist.
    public func use(ofChain chain: String) throws(RulesError) -> Int? {
        try RulesError.attempt(joined("look at the chain ", chain, " of ", table.description)) { () throws(Errno) in
            try table.use(ofChain: chain)
        }
    }
}
