// SPDX-License-Identifier: Apache-2.0

import CNI
import NFTables

/// What the packet filter remembers of an attachment: whose it is, and what belongs to it.
///
/// It is a verdict map that no packet ever meets. Each line is an element with the text as its comment, which leads to a
/// chain: thus the kernel itself counts who still needs that chain.
public struct Record: Sendable {
    /// One thing that belongs to the attachment.
    struct Line: Sendable {
        /// A map with a key, whose last number may be a span of them.
        let text: String
        /// The chain that is kept for the sake of this line.
        let chain: String
    }

    /// The name of the map.
    let name: String
    /// Network, container and interface, with slashes between them.
    public let owner: String
    /// The elements but for the first, which holds the owner.
    let lines: [Line]

    /// Whether the attachment has a key in a map whose name begins so.
    public func names(_ map: String, _ key: String) -> Bool {
        lines.contains { line in
            Self.elements(line.text).contains { $0.map.utf8.starts(with: map.utf8) && $0.key == key }
        }
    }

    /// The chain that every attachment needs.
    static var kept: String { "kept" }

    /// The name of an attachment's map.
    @inline(never)
    static func name(_ attachment: Attachment) -> String { "record-" + attachment.digits }

    /// Reads the maps that a listing shows.
    static func all(in listing: Listing) -> [Record] {
        listing.blocks("\tmap record-").map { block in
            let quoted = block.text.utf8.split(separator: UInt8(ascii: "\""), omittingEmptySubsequences: false)
            // Behind each comment follows " : jump kept".
            var lines: [Line] = []
            for place in stride(from: 1, to: quoted.count - 1, by: 2) {
                let text = String(
                    decoding: quoted[place].map { $0 == UInt8(ascii: "'") ? UInt8(ascii: "\"") : $0 },
                    as: UTF8.self
                )
                let words = quoted[place + 1].split {
                    [UInt8(ascii: " "), UInt8(ascii: ","), UInt8(ascii: "\n")].contains($0)
                }
                lines.append(Line(text: text, chain: words.count > 2 ? String(decoding: words[2], as: UTF8.self) : ""))
            }
            return Record(
                name: "record-" + block.name,
                owner: lines.first?.text ?? "",
                lines: Array(lines.dropFirst())
            )
        }
    }

    /// Splits "map key", and counts out a key that ends in a span of numbers.
    @inline(never)
    static func elements(_ text: String) -> [(map: String, key: String)] {
        let bytes = Array(text.utf8)
        guard let space = bytes.firstIndex(of: UInt8(ascii: " ")) else { return [] }
        let map = String(decoding: bytes[..<space], as: UTF8.self)
        let key = String(decoding: bytes[(space + 1)...], as: UTF8.self)
        guard let dash = bytes.lastIndex(of: UInt8(ascii: "-")),
            let last = Int(String(decoding: bytes[(dash + 1)...], as: UTF8.self)),
            let blank = bytes[..<dash].lastIndex(of: UInt8(ascii: " ")),
            let first = Int(String(decoding: bytes[(blank + 1)..<dash], as: UTF8.self)), first <= last, last <= 65535
        else {
            return [(map: map, key: key)]
        }
        let front = String(decoding: bytes[(space + 1)...blank], as: UTF8.self)
        return (first...last).map { (map: map, key: front + String($0)) }
    }
}

extension Attachment {
    /// Enough of the hash to tell attachments apart, for names in the packet filter.
    public var digits: String { String(decoding: hash.utf8.prefix(32), as: UTF8.self) }

    /// How the owners of a network's rules begin; a long name is replaced by a hash, so that a comment never cuts it.
    @inline(never)
    public static func ownerPrefix(network: String) -> String {
        if network.utf8.count <= 64 { return network + "/" }
        return Attachment(network: network, containerID: "", interface: "").digits + "/"
    }

    /// Whose rules are whose, for people and for GC.
    public var owner: String {
        joined(Self.ownerPrefix(network: network), containerID, "/", interface)
    }
}
