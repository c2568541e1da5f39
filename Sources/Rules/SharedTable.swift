// SPDX-License-Identifier: Apache-2.0

import CNI
import Linux
import NFTables

/// A table of the packet filter in which attachments of all networks have elements and chains.
///
/// What all share comes with the first attachment and goes with the last. What one has is written in its record, so DEL needs
/// neither configuration nor previous result, and neither its work nor a packet's way grows with the number of
/// attachments. Every record leads to the chain "kept", which the kernel deletes only when none does any more: so the table
/// never goes under an attachment that is just coming.
public struct SharedTable: Sendable {
    /// The packet filter with an error that becomes a plugin's at the border of this module.
    typealias Rules = Ruleset<RulesError>

    let table: Table
    let idleUse: Int
    let base: @Sendable (inout Transaction) -> Void

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
    /// `yields` tells of what a holder has whether that one is known to be dead, and goes.
    ///
    /// - Throws: EADDRINUSE with the name of a holder that does not yield.
    public func add(
        _ attachment: Attachment,
        _ belongings: Belongings,
        yields: ([Element]) -> Bool
    ) throws(RulesError) {
        let socket = TableSocket()
        if try addElements(attachment, belongings, socket) { return }
        var rules = try Rules.open()
        var isFounded = try !isEmpty(socket)
        var idleRounds = 0
        // A round is lost only to another process that made what is shared, or removed it, between two looks.
        for _ in 0..<64 {
            do { return try rules.run(try installation(attachment, belongings, isFounded, socket)) } catch {
                if error.errno == .noSuchFile {
                    isFounded = false
                } else if error.errno == .fileExists {
                    if isFounded, try !makeRoom(for: attachment, belongings, yields, &rules, socket) {
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

    /// Lets every holder yield; named, because each closure would be compiled with a copy of all that it is handed to.
    public static func everybody(_: [Element]) -> Bool { true }

    /// Adds what an attachment is to have if it is elements alone, and all that they lead to is there.
    ///
    /// - Returns: Whether that was so; else nothing was done.
    private func addElements(
        _ attachment: Attachment,
        _ belongings: Belongings,
        _ socket: borrowing TableSocket
    ) throws(RulesError) -> Bool {
        guard belongings.chains.isEmpty, try !isEmpty(socket) else { return false }
        for chain in belongings.sharedChains where try use(ofChain: chain.name, socket) == nil { return false }
        var batch = ElementBatch(joined("add elements to ", table.description), in: table)
        for element in Record.elements(attachment, belongings.lines) {
            batch.add(.create, Record.map, element.key, element.verdict, comment: element.comment)
        }
        for elements in belongings.elements {
            for element in elements.contents { batch.add(.create, elements.map, element.key, element.value) }
        }
        for span in belongings.spans {
            batch.add(.create, span.map, span.key, ports: span.first...span.last, span.value, span.targets)
        }
        guard batch.isExpressed else { return false }
        do { try batch.run(RulesError.self) } catch {
            // What it is that is there already, or is no more, is found out with the library.
            if error.errno == .noSuchFile || error.errno == .fileExists { return false }
            throw error
        }
        return true
    }

    /// Removes what is in the way: what an earlier ADD of the same attachment left, and what those have who yield.
    ///
    /// - Returns: Whether there was anything.
    private func makeRoom(
        for attachment: Attachment,
        _ belongings: Belongings,
        _ yields: ([Element]) -> Bool,
        _ rules: inout Rules,
        _ socket: borrowing TableSocket
    ) throws(RulesError) -> Bool {
        if let own = try record(attachment.hostInterface, socket) {
            _ = try remove(own, &rules, socket)
            return true
        }
        guard let listing = try rules.list(table) else { return false }
        let wanted = ElementSet(belongings.exclusiveElements)
        var found = false
        for listed in Record.all(in: listing) where !listed.line.isShared {
            // One that has been removed for another element is there no more.
            guard Record.elements(listed.line.text).contains(where: { wanted.contains($0) }),
                let record = try record(listed.name, socket)
            else {
                continue
            }
            if !yields(record.lines.flatMap { Record.elements($0.text) }) {
                throw RulesError(
                    .addressInUse,
                    joined("add rules to ", table.description),
                    kernelText: joined(listed.line.text, " belongs to ", record.owner)
                )
            }
            found = true
            _ = try remove(record, &rules, socket)
        }
        return found
    }

    /// Who has which of some elements: network, container and interface, with slashes between them.
    public func holders(of elements: [Element]) throws(RulesError) -> [(element: Element, owner: String)] {
        let socket = TableSocket()
        guard try !isEmpty(socket) else { return [] }
        var rules = try Rules.open()
        guard let listing = try rules.list(table) else { return [] }
        let wanted = ElementSet(elements)
        var holders: [(element: Element, owner: String)] = []
        for listed in Record.all(in: listing) {
            let held = Record.elements(listed.line.text).filter { wanted.contains($0) }
            // One question for a line, and not a whole record for each element of it.
            guard !held.isEmpty, let owner = try owner(listed.name, socket) else { continue }
            for element in held { holders.append((element, owner)) }
        }
        return holders
    }

    /// Whose record has a name.
    private func owner(_ name: String, _ socket: borrowing TableSocket) throws(RulesError) -> String? {
        try RulesError.attempt(joined("look at the rules of ", name)) { () throws(Errno) in
            try Record.owner(of: name, in: table, socket)
        }
    }

    /// What the table remembers under a name.
    @inline(never)
    func record(_ name: String, _ socket: borrowing TableSocket) throws(RulesError) -> Record? {
        try RulesError.attempt(joined("look at the rules of ", name)) { () throws(Errno) in
            try Record.named(name, in: table, socket)
        }
    }

    @inline(never)
    private func installation(
        _ attachment: Attachment,
        _ belongings: Belongings,
        _ isFounded: Bool,
        _ socket: borrowing TableSocket
    ) throws(RulesError) -> Transaction {
        var transaction = Transaction(joined("add rules to ", table.description), in: table)
        if !isFounded { found(&transaction, isNew: true) }
        for chain in belongings.chains { chain.create(in: &transaction) }
        for chain in belongings.sharedChains {
            let use = isFounded ? try use(ofChain: chain.name, socket) : nil
            if use == nil { chain.create(in: &transaction) }
        }
        let record = Record.elements(attachment, belongings.lines).map { element in
            joined(element.key, " comment ", Object.quoted(element.comment), " : ", element.verdict)
        }
        transaction.create(.element(of: Record.map, record.joined(separator: ", ")))
        for elements in belongings.allElements {
            let contents = elements.contents.map { Belongings.content($0.key, $0.value) }
            transaction.create(.element(of: elements.map, contents.joined(separator: ", ")))
        }
        return transaction
    }

    /// Adds what all attachments share.
    private func found(_ transaction: inout Transaction, isNew: Bool) {
        if isNew { transaction.create(.table) } else { transaction.add(.table) }
        transaction.add(.chain(Record.kept))
        transaction.add(.map(Record.map, "type ifname . inet_service : verdict;"))
        base(&transaction)
    }

    /// Asks the kernel whether the rules could be had, and one more, without making any; for STATUS.
    public func probe(_ rule: String? = nil) throws(CNIError) {
        var base = Transaction(joined("use the table ", table.description), in: table)
        found(&base, isNew: false)
        if let rule { base.add(.rule(in: Record.kept, rule)) }
        do throws(RulesError) {
            var rules = try Rules.open()
            try rules.check(base)
        } catch {
            throw CNIError(.notReady, "cannot " + error.operation, error.text)
        }
    }

    /// Whether nobody has anything in the table, because it doesn't exist.
    public var isEmpty: Bool { get throws(RulesError) { try isEmpty(TableSocket()) } }

    func isEmpty(_ socket: borrowing TableSocket) throws(RulesError) -> Bool {
        try use(ofChain: Record.kept, socket) == nil
    }

    /// How often a chain is used; nothing if it doesn't exist.
    public func use(ofChain chain: String) throws(RulesError) -> Int? { try use(ofChain: chain, TableSocket()) }

    @inline(never)
    func use(ofChain chain: String, _ socket: borrowing TableSocket) throws(RulesError) -> Int? {
        try RulesError.attempt(joined("look at the chain ", chain, " of ", table.description)) { () throws(Errno) in
            try socket.use(ofChain: chain, in: table)
        }
    }
}
