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
    private(set) var spans: [PortSpan] = []
    private var otherLines: [Record.Line] = []

    /// The lines of the record.
    var lines: [Record.Line] { spans.map { Record.Line($0.text, chain: Record.kept) } + otherLines }

    /// Elements of a map whose keys end in neighbouring ports.
    struct PortSpan: Sendable {
        let map: String
        let key: String
        let value: String
        let first: Int
        /// The port at the end of each value.
        var targets: [Int]

        var last: Int { first + targets.count - 1 }

        /// The line of the record.
        var text: String {
            let end = first == last ? "" : joined("-", String(last))
            return joined(map, " ", key, String(first), end)
        }

        /// The elements as the language writes them.
        var contents: [(key: String, value: String)] {
            targets.enumerated().map { (key + String(first + $0.offset), value + String($0.element)) }
        }
    }

    /// Begins with nothing.
    public init() {}

    /// Adds an element of a set, or of a map with its value.
    ///
    /// If it leads to a chain that some attachments share, that one is named.
    @inline(never)
    public mutating func add(_ map: String, _ key: String, _ value: String = "", leadingTo chain: String? = nil) {
        otherLines.append(Record.Line(joined(map, " ", key), chain: chain ?? Record.kept))
        append(map, key, value)
    }

    /// Adds an element whose key and value end in ports; those of neighbouring ports share a line of the record.
    @inline(never)
    public mutating func add(_ map: String, _ key: String, port: Int, _ value: String, _ target: Int) {
        if let last = spans.last, last.map == map, last.key == key, last.value == value, last.last + 1 == port {
            spans[spans.count - 1].targets.append(target)
        } else {
            spans.append(PortSpan(map: map, key: key, value: value, first: port, targets: [target]))
        }
    }

    /// Adds a chain that belongs to the attachment alone.
    public mutating func addChain(_ name: String, _ rules: [String]) {
        otherLines.append(Record.Line("=chain " + name, chain: Record.kept))
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
        var chain = Chain(name: name, rules: rules)
        for element in elements {
            otherLines.append(Record.Line(joined(element.map, " ", element.key), chain: name, isShared: true))
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

    /// All elements that are not shared, by the map or set that they are in, as the language writes them.
    var allElements: [(map: String, contents: [(key: String, value: String)])] {
        elements + spans.map { ($0.map, $0.contents) }
    }

    /// Whether a listing shows every element and every rule in its place.
    func isListed(_ listing: Listing) -> Bool {
        var expected: [Element] = []
        for (map, contents) in allElements {
            for content in contents {
                expected.append(Element(map: map, key: Self.content(content.key, content.value)))
            }
        }
        for chain in chains + sharedChains {
            guard let block = listing.blocks("\tchain " + chain.name + " ").first,
                Listing(block.text).contains(inOrder: chain.rules)
            else {
                return false
            }
            for element in chain.elements { expected.append(Element(map: element.map, key: element.content)) }
        }
        var maps: [String] = []
        var listed: [Element] = []
        for map in expected.lazy.map({ $0.map }) where !maps.contains(map) {
            maps.append(map)
            let blocks = listing.blocks("\tmap " + map + " ") + listing.blocks("\tset " + map + " ")
            guard let block = blocks.first else { return false }
            listed += Listing(block.text).elements.map { Element(map: map, key: $0) }
        }
        let known = ElementSet(listed)
        return expected.allSatisfy { known.contains($0) }
    }
}
