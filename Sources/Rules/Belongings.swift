// SPDX-License-Identifier: Apache-2.0

import NFTables

/// What an attachment is to have in a shared table.
public struct Belongings: Sendable {
    /// A chain with its rules and the elements that lead to it.
    struct Chain: Sendable {
        let name: String
        var rules: [String] = []
        var elements: [(map: String, content: String)] = []

        /// Creates the chain, its rules and its elements.
        func create(in transaction: inout Transaction) {
            transaction.create(.chain(name))
            for rule in rules { transaction.add(.rule(in: name, rule)) }
            for element in elements { transaction.create(.element(of: element.map, element.content)) }
        }
    }

    /// Elements by the map or set that they are in.
    private(set) var elements: [(map: String, contents: [(key: String, value: String)])] = []
    private(set) var chains: [Chain] = []
    private(set) var sharedChains: [Chain] = []
    private(set) var lines: [Record.Line] = []
    // The last line, if it may still be extended: its text before the span of numbers at its end.
    private var span: (front: String, first: Int, last: Int)?

    /// Begins with nothing.
    public init() {}

    /// Whether there is nothing.
    public var isEmpty: Bool { lines.isEmpty }

    /// Adds an element of a set, or of a map with its value.
    ///
    /// If it leads to a chain that some attachments share, that one is named.
    @inline(never)
    public mutating func add(_ map: String, _ key: String, _ value: String = "", leadingTo chain: String? = nil) {
        span = nil
        lines.append(Record.Line(joined(map, " ", key), chain: chain ?? Record.kept))
        append(map, key, value)
    }

    /// Adds an element whose key ends in a port; those of neighbouring ports share a line of the record.
    @inline(never)
    public mutating func add(_ map: String, _ key: String, port: Int, _ value: String) {
        let front = joined(map, " ", key)
        if let before = span, before.front == front, before.last + 1 == port {
            span = (front, before.first, port)
            let text = joined(front, String(before.first), "-", String(port))
            lines[lines.count - 1] = Record.Line(text, chain: Record.kept)
        } else {
            span = (front, port, port)
            lines.append(Record.Line(front + String(port), chain: Record.kept))
        }
        append(map, key + String(port), value)
    }

    /// Adds a chain that belongs to the attachment alone.
    public mutating func addChain(_ name: String, _ rules: [String]) {
        span = nil
        lines.append(Record.Line("=chain " + name, chain: Record.kept))
        chains.append(Chain(name: name, rules: rules))
    }

    /// Adds a chain that some attachments share, with the elements that come and go with it.
    ///
    /// An element whose map begins with an equals sign is written into the record only.
    public mutating func addSharedChain(
        _ name: String,
        _ rules: [String] = [],
        elements: [(map: String, key: String, value: String)] = []
    ) {
        span = nil
        var chain = Chain(name: name, rules: rules)
        for element in elements {
            lines.append(Record.Line(joined(element.map, " ", element.key), chain: name, isShared: true))
            if element.map.utf8.first == UInt8(ascii: "=") { continue }
            chain.elements.append((element.map, Self.content(element.key, element.value)))
        }
        if !sharedChains.contains(where: { $0.name == name }) { sharedChains.append(chain) }
    }

    private mutating func append(_ map: String, _ key: String, _ value: String) {
        if let place = elements.firstIndex(where: { $0.map == map }) {
            elements[place].contents.append((key, value))
        } else {
            elements.append((map, [(key, value)]))
        }
    }

    /// An element as the language writes it.
    static func content(_ key: String, _ value: String) -> String {
        value.isEmpty ? key : joined(key, " : ", value)
    }

    /// What nobody else may have.
    public var exclusiveElements: [Element] {
        lines.filter { !$0.isShared }.flatMap { Record.elements($0.text) }.filter { $0.isReal }
    }

    /// Whether a listing shows every element and every rule in its place.
    func isListed(_ listing: Listing) -> Bool {
        for chain in chains + sharedChains {
            guard let block = listing.blocks("\tchain " + chain.name + " ").first else { return false }
            let shown = Listing(block.text)
            if !chain.rules.allSatisfy({ shown.contains($0) }) { return false }
            for element in chain.elements where !isListed(element.map, element.content, listing) { return false }
        }
        for map in elements {
            for content in map.contents where !isListed(map.map, Self.content(content.key, content.value), listing) {
                return false
            }
        }
        return true
    }

    private func isListed(_ map: String, _ content: String, _ listing: Listing) -> Bool {
        let blocks = listing.blocks("\tmap " + map + " ") + listing.blocks("\tset " + map + " ")
        guard let block = blocks.first else { return false }
        let shown = Listing(block.text)
        // An element ends with a comma, with the closing brace, or is the beginning of a longer one.
        return shown.contains(content + ",") || shown.contains(content + " }")
    }
}
