// SPDX-License-Identifier: Apache-2.0

/// What libnftables lists of a table or of a part of it, in the language of nft(8).
///
/// The library writes each thing in one way only, so that a reader can look for it as text. Reading its JSON instead was
/// tried, and made a plugin some kilobytes larger.
public struct Listing: Sendable {
    private let text: [UInt8]

    /// Takes what the library printed.
    init(_ text: [UInt8]) { self.text = text }

    /// Takes a part of a listing.
    public init(_ part: String) { text = Array(part.utf8) }

    /// Whether a text occurs in it.
    public func contains(_ part: String) -> Bool { text.find(part) != nil }

    /// Whether texts occur in it, each behind the one before.
    public func contains(inOrder parts: [String]) -> Bool {
        var start = 0
        for part in parts {
            guard let place = text.find(part, from: start) else { return false }
            start = place + part.utf8.count
        }
        return true
    }

    /// How often a text occurs in it.
    public func count(_ part: String) -> Int {
        var (count, start) = (0, 0)
        while let place = text.find(part, from: start) { (count, start) = (count + 1, place + 1) }
        return count
    }

    /// The parts that begin with a text and a name and end with a brace on a line of its own, as maps and chains do.
    public func blocks(_ beginning: String) -> [(name: String, text: String)] {
        var blocks: [(name: String, text: String)] = []
        var start = 0
        while let place = text.find(beginning, from: start) {
            let name = place + beginning.utf8.count
            let end = text.find("\n\t}", from: name) ?? text.count
            let space = text.find(" ", from: name) ?? end
            blocks.append(
                (
                    name: String(decoding: text[name..<min(space, end)], as: UTF8.self),
                    text: String(decoding: text[name..<end], as: UTF8.self)
                )
            )
            start = end
        }
        return blocks
    }

    /// The elements of a map or a set, as the language writes them.
    public var elements: [String] {
        let beginning = "elements = {"
        guard let start = text.find(beginning), let end = text.lastIndex(of: UInt8(ascii: "}")) else { return [] }
        var elements: [String] = []
        var (element, isQuoted): ([UInt8], Bool) = ([], false)
        for byte in text[(start + beginning.utf8.count)..<end] + [UInt8(ascii: ",")] {
            if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
            if byte == UInt8(ascii: ","), !isQuoted {
                // The last one has a blank behind it.
                if element.last == UInt8(ascii: " ") { element.removeLast() }
                elements.append(String(decoding: element, as: UTF8.self))
                element = []
            } else if byte > UInt8(ascii: " ") || !element.isEmpty {
                element.append(byte)
            }
        }
        return elements
    }
}

extension [UInt8] {
    /// Where a text begins, at a place or behind it.
    @inline(never)
    func find(_ part: String, from start: Int = 0) -> Int? {
        let part = Array(part.utf8)
        var place = start
        while place + part.count <= count {
            var same = 0
            while same < part.count, self[place + same] == part[same] { same += 1 }
            if same == part.count { return place }
            place += 1
        }
        return nil
    }
}

extension String {
    /// Whether a text occurs in this one.
    public func mentions(_ part: String) -> Bool { Array(utf8).find(part) != nil }
}
