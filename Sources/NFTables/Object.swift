// SPDX-License-Identifier: Apache-2.0

/// Something in a table, or the table itself: what the verbs of a transaction act on.
///
/// Rules and keys are text in the language of nft(8), which is what everybody knows and what the manual explains.
public struct Object: Sendable {
    /// What it is, in one word.
    let kind: String
    /// Its name in the table; empty for the table itself.
    let name: String
    /// What it is made of, or what tells it from others of the name.
    let body: String

    @inline(never)
    private init(_ kind: String, _ name: String, _ body: String = "") {
        self.kind = kind
        self.name = name
        self.body = body
    }

    /// The table itself; deleting it deletes all that is in it.
    public static var table: Object { Object("table", "") }

    /// A counter that several rules may share; it cannot be deleted while one does.
    public static func counter(_ name: String) -> Object { Object("counter", name) }

    /// A map; its content tells the types, such as "type ifname : verdict;".
    public static func map(_ name: String, _ content: String = "") -> Object { Object("map", name, block(content)) }

    /// A set; its content tells the type, such as "type ipv4_addr;".
    public static func set(_ name: String, _ content: String = "") -> Object { Object("set", name, block(content)) }

    /// A chain; one with a hook as its content is entered by packets, the others only by rules and verdicts.
    public static func chain(_ name: String, _ content: String = "") -> Object { Object("chain", name, block(content)) }

    /// A rule at the end of a chain.
    ///
    /// The kernel names rules by numbers, so one goes only with its chain or by a flush.
    public static func rule(in chain: String, _ text: String) -> Object { Object("rule", chain, text) }

    /// An element of a set or map: a key, or a key with a colon and a value.
    public static func element(of map: String, _ content: String) -> Object { Object("element", map, block(content)) }

    @inline(never)
    private static func block(_ content: String) -> String { content.isEmpty ? "" : joined("{ ", content, " }") }

    /// A text in quotation marks, such as a comment or the name of an interface.
    ///
    /// The language cannot write a quotation mark, and the kernel keeps 128 bytes: such a mark becomes an apostrophe, and
    /// what is too long is cut between two characters.
    public static func quoted(_ text: String) -> String {
        let mark = [UInt8(ascii: "\"")]
        return String(decoding: mark + kept(text) + mark, as: UTF8.self)
    }

    /// What is kept of a comment, without quotation marks around it.
    static func kept(_ text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        for byte in Array(text.utf8) {
            // The first byte of a character tells how many it has; the others find room where it did.
            let width = byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4
            if bytes.count + width > 128 { break }
            bytes.append(byte == UInt8(ascii: "\"") || byte < 0x20 ? UInt8(ascii: "'") : byte)
        }
        return bytes
    }
}
