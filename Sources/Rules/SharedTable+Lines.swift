// SPDX-License-Identifier: Apache-2.0

import Linux
import NFTables

/// A line of a record that speaks of an element which the attachment does not have.
public struct RecordedWish: Sendable {
    /// The element that it wishes for.
    public let element: Element
    /// The value that it would give it.
    public let value: String
    fileprivate let key: String
}

extension SharedTable {
    /// The lines that begin with a mark, which is no map, and go on with "map key : value".
    public func lines(behind mark: String) throws(RulesError) -> [RecordedWish] {
        var rules = try Rules.open()
        guard let listing = try rules.list(table) else { return [] }
        var wishes: [RecordedWish] = []
        for listed in Record.all(in: listing) where listed.line.text.begins(with: (mark + " ")) {
            let words = Array(listed.line.text.utf8).split(separator: UInt8(ascii: " "))
                .map { String(decoding: Array($0), as: UTF8.self) }
            guard let colon = words.lastIndex(of: ":"), colon > 2 else { continue }
            let element = Element(map: words[1], key: words[2..<colon].joined(separator: " "))
            let value = words[(colon + 1)...].joined(separator: " ")
            wishes.append(RecordedWish(element: element, value: value, key: listed.key))
        }
        return wishes
    }

    /// Fulfils a wish: the element is made, and the line says that the attachment has it.
    public func fulfil(_ wish: RecordedWish) throws(RulesError) {
        let (map, key) = (wish.element.map, wish.element.key)
        var batch = ElementBatch(joined("hand over ", key, " of ", table.description), in: table)
        let text = joined(map, " ", key)
        batch.add(.delete, Record.map, wish.key)
        batch.add(.create, Record.map, wish.key, "jump " + Record.kept, comment: text)
        batch.add(.create, map, key, wish.value)
        guard batch.isExpressed else { return }
        do { try batch.run(RulesError.self) } catch {
            // Somebody else has it already, or the one who waited has gone.
            if error.errno != .fileExists && error.errno != .noSuchFile { throw error }
        }
    }
}
