// SPDX-License-Identifier: Apache-2.0

import CNI
import Linux
import NFTables

/// What a table remembers of an attachment: whose it is, and what belongs to it.
///
/// It is written into a verdict map that no packet meets, whose keys are the name of the attachment's interface on the host and
/// a number. Each line is the comment of an element, and the element leads to the chain that the line needs: thus the
/// kernel itself counts who still needs a chain. One map for all, because libnftables looks at all maps in every call.
struct Record: Sendable {
    /// One thing that belongs to the attachment.
    struct Line: Equatable, Sendable {
        /// A map with a key, whose last number may be a span of them; behind an equals sign something that is no map.
        let text: String
        /// The chain that is kept for the sake of this line.
        let chain: String
        /// Whether others may have the same; it goes with the chain, and not with the line.
        var isShared = false

        /// The comment of the element.
        var comment: String { isShared ? "shared " + text : text }

        init(_ text: String, chain: String, isShared: Bool = false) {
            (self.text, self.chain, self.isShared) = (text, chain, isShared)
        }

        /// Reads the comment of an element, in which apostrophes stand for the quotation marks around a name.
        init(comment: String, chain: String) {
            let isShared = comment.begins(with: "shared ")
            var text = Array(comment.utf8.dropFirst(isShared ? 7 : 0))
            let apostrophe = UInt8(ascii: "'")
            // A name may hold one, too.
            if let first = text.firstIndex(of: apostrophe), let last = text.lastIndex(of: apostrophe) {
                (text[first], text[last]) = (UInt8(ascii: "\""), UInt8(ascii: "\""))
            }
            self.init(String(decoding: text, as: UTF8.self), chain: chain, isShared: isShared)
        }
    }

    /// The map of all records.
    static var map: String { "records" }
    /// The chain that every attachment needs.
    static var kept: String { "kept" }

    /// The name of the attachment's interface on the host, whether or not it has one.
    let name: String
    /// Network, container and interface, with slashes between them.
    let owner: String
    /// What belongs to it.
    var lines: [Line] = []

    /// Reads a record from the kernel; nothing if there is none of the name.
    static func named(
        _ name: String,
        in table: Table,
        _ socket: borrowing TableSocket
    ) throws(Errno) -> Record? {
        guard let owner = try owner(of: name, in: table, socket) else { return nil }
        var record = Record(name: name, owner: owner)
        while let next = try socket.element(of: map, key(name, record.lines.count + 1), in: table) {
            record.lines.append(Line(comment: next.comment, chain: next.chain))
        }
        return record
    }

    /// Reads from the kernel whose record has a name; nothing if there is none.
    static func owner(
        of name: String,
        in table: Table,
        _ socket: borrowing TableSocket
    ) throws(Errno) -> String? {
        try socket.element(of: map, key(name, 0), in: table)?.comment
    }

    /// An element of the map as a listing shows it.
    struct Listed {
        /// The name of the record.
        let name: String
        /// The number of the line; that of the owner is 0.
        let number: Int
        let line: Line

        /// The key as the language writes it.
        var key: String { Record.key(name, number) }
    }

    /// Reads all elements that a listing shows, in the order of the kernel's hash.
    static func all(in listing: Listing) -> [Listed] {
        guard let block = listing.blocks("\tmap " + map + " ").first else { return [] }
        // "name" . number comment "text" : jump chain
        let parts = Array(block.text.utf8).split(separator: UInt8(ascii: "\""), omittingEmptySubsequences: false)
        var found: [Listed] = []
        for place in stride(from: 1, to: parts.count - 3, by: 4) {
            let numbers = words(parts[place + 1]), verdict = words(parts[place + 3])
            guard numbers.count == 3, let number = Int(numbers[1]), verdict.count > 2 else { continue }
            let text = String(decoding: Array(parts[place + 2]), as: UTF8.self)
            let name = String(decoding: Array(parts[place]), as: UTF8.self)
            found.append(Listed(name: name, number: number, line: Line(comment: text, chain: verdict[2])))
        }
        return found
    }

    /// The words between blanks and commas; a line's end is followed by blanks.
    private static func words(_ text: ArraySlice<UInt8>) -> [String] {
        text.split(separator: UInt8(ascii: " ")).map { word in
            String(decoding: Array(word.prefix { $0 > UInt8(ascii: ",") }), as: UTF8.self)
        }
    }

    /// The elements of the record.
    static func elements(
        _ attachment: Attachment,
        _ lines: [Line]
    ) -> [(key: String, comment: String, verdict: String)] {
        let name = attachment.hostInterface
        var elements: [(key: String, comment: String, verdict: String)] = [
            (key(name, 0), attachment.owner, "jump " + kept)
        ]
        for line in lines { elements.append((key(name, elements.count), line.comment, "jump " + line.chain)) }
        return elements
    }

    /// A key as the language writes it.
    private static func key(_ name: String, _ number: Int) -> String { joined("\"", name, "\" . ", String(number)) }

    /// The keys of the record, as the language writes them.
    var keys: [String] { (0...lines.count).map { Self.key(name, $0) } }

    /// The elements that a line names, spelled out.
    static func elements(_ text: String) -> [Element] {
        guard let entry = Entry(text) else { return [] }
        guard let ports = entry.ports else { return [Element(map: entry.map, key: entry.key)] }
        return ports.map { Element(map: entry.map, key: entry.key + String($0)) }
    }

    /// A line in its parts: a map, and a key, of which the ports at the end may be told apart.
    struct Entry {
        let map: String
        let key: String
        let ports: ClosedRange<Int>?

        /// Reads "map key", where the key may end in a span of numbers.
        init?(_ text: String) {
            let bytes = Array(text.utf8)
            guard let space = bytes.firstIndex(of: UInt8(ascii: " ")) else { return nil }
            map = String(decoding: bytes[..<space], as: UTF8.self)
            if let dash = bytes.lastIndex(of: UInt8(ascii: "-")),
                let last = Int(String(decoding: bytes[(dash + 1)...], as: UTF8.self)),
                let blank = bytes[..<dash].lastIndex(of: UInt8(ascii: " ")), blank > space,
                let first = Int(String(decoding: bytes[(blank + 1)..<dash], as: UTF8.self)), first <= last,
                last <= 65535
            {
                key = String(decoding: bytes[(space + 1)...blank], as: UTF8.self)
                ports = first...last
            } else {
                key = String(decoding: bytes[(space + 1)...], as: UTF8.self)
                ports = nil
            }
        }
    }
}

/// An element of a shared table.
public struct Element: Equatable, Sendable {
    /// The map or set; with an equals sign in front, something that is none.
    public let map: String
    /// The key, as the language writes it.
    public let key: String

    /// Names an element.
    public init(map: String, key: String) {
        self.map = map
        self.key = key
    }

    /// Whether the packet filter has it.
    var isReal: Bool { map.utf8.first != UInt8(ascii: "=") }
}
