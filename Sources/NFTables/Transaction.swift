// SPDX-License-Identifier: Apache-2.0

/// Changes to one table that happen together or not at all, with the verbs of nft(8).
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

    /// Whether there is nothing to do.
    public var isEmpty: Bool { text.isEmpty }

    /// Adds what may be there already; a rule comes to be there twice.
    public mutating func add(_ object: Object) { append("add", object, object.body) }

    /// Adds what must not be there yet.
    public mutating func create(_ object: Object) { append("create", object, object.body) }

    /// Deletes what must be there.
    public mutating func delete(_ object: Object) { append("delete", object, object.key) }

    /// Deletes what may be missing, by adding it first: libnftables knows "destroy" only from 1.0.8 on.
    public mutating func deleteIfExists(_ objects: Object...) {
        for object in objects { add(object) }
        for object in objects.reversed() { delete(object) }
    }

    /// Empties a chain or a map.
    public mutating func flush(_ object: Object) { append("flush", object, "") }

    private mutating func append(_ verb: String, _ object: Object, _ rest: String) {
        text += "\(verb) \(object.kind) \(table.description)"
        for part in [object.name, rest] where !part.isEmpty { text += " \(part)" }
        text += "\n"
    }
}
