// SPDX-License-Identifier: Apache-2.0

/// Changes to one table that happen together or not at all, with the verbs of nft(8).
///
/// The verbs are never inlined, because a plugin uses them in so many places that it would double what its rules take.
public struct Transaction: Sendable {
    /// What it is for, in words: "guard veth1a2b3c4d5e6".
    public let operation: String
    /// The commands as nft(8) reads them, one on a line.
    public private(set) var text = ""
    private let table: Table

    /// Begins with no command.
    public init(_ operation: String, in table: Table) {
        self.operation = operation
        self.table = table
    }

    /// Adds what may be there already; a rule comes to be there twice.
    @inline(never)
    public mutating func add(_ object: Object) { append("add ", object) }

    /// Adds what must not be there yet.
    @inline(never)
    public mutating func create(_ object: Object) { append("create ", object) }

    /// Deletes what must be there: anything but a rule, which goes with its chain.
    @inline(never)
    public mutating func delete(_ object: Object) {
        append("delete ", object, isWhole: object.kind == "element")
    }

    /// Empties a chain, a map or a set.
    public mutating func flush(_ object: Object) { append("flush ", object, isWhole: false) }

    @inline(never)
    private mutating func append(_ verb: String, _ object: Object, isWhole: Bool = true) {
        text = joined(text, table.command(verb, object, isWhole ? object.body : ""), "\n")
    }
}
