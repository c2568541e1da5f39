// SPDX-License-Identifier: Apache-2.0

/// Something in a table, or the table itself: what the verbs of a transaction act on.
///
/// Rules and keys are text in the language of nft(8), which is what everybody knows and what the manual explains.
public struct Object: Sendable {
    /// What it is, in one word.
    let kind: String
    /// Its name in the table; empty for the table itself.
    let name: String
    /// What tells it from others of the name; only elements need it.
    let key: String
    /// What it is made of; a deletion leaves it out.
    let body: String

    private init(_ kind: String, _ name: String, key: String = "", body: String) {
        self.kind = kind
        self.name = name
        self.key = key
        self.body = body
    }

    /// The table itself; deleting it deletes all that is in it.
    public static var table: Object { Object("table", "", body: "") }

    /// A counter that several rules may share; it cannot be deleted while one does.
    public static func counter(_ name: String) -> Object { Object("counter", name, body: "") }

    /// A map from keys to values or verdicts, such as "ifname : verdict".
    public static func map(_ name: String, type: String = "") -> Object {
        Object("map", name, body: type.isEmpty ? "" : "{ type \(type); }")
    }

    /// A set of keys, such as "ipv4_addr".
    public static func set(_ name: String, type: String = "") -> Object {
        Object("set", name, body: type.isEmpty ? "" : "{ type \(type); }")
    }

    /// A chain; one with a hook is entered by packets, the others only by rules and verdicts.
    public static func chain(_ name: String, hook: String = "") -> Object {
        Object("chain", name, body: hook.isEmpty ? "" : "{ \(hook) }")
    }

    /// A rule at the end of a chain. The kernel names rules by numbers, so one goes only with its chain or by a flush.
    public static func rule(in chain: String, _ text: String, comment: String = "") -> Object {
        let comment = comment.isEmpty ? "" : " comment \(quoted(comment))"
        return Object("rule", chain, body: text + comment)
    }

    /// An element of a set, or with a value of a map.
    public static func element(of map: String, _ key: String, _ value: String = "") -> Object {
        Object("element", map, key: "{ \(key) }", body: value.isEmpty ? "{ \(key) }" : "{ \(key) : \(value) }")
    }

    /// A text in quotation marks, such as a comment or the name of an interface.
    ///
    /// The language cannot write a quotation mark, and the kernel keeps 128 bytes: such a mark becomes an apostrophe, and
    /// what is too long is cut between two characters.
    public static func quoted(_ text: String) -> String {
        var bytes = text.utf8.map { $0 == UInt8(ascii: "\"") || $0 < 0x20 ? UInt8(ascii: "'") : $0 }
        if bytes.count > 128 {
            var end = 128
            // The second and later bytes of a character.
            while end > 0, bytes[end] & 0xc0 == 0x80 { end -= 1 }
            bytes.removeLast(bytes.count - end)
        }
        return "\"\(String(decoding: bytes, as: UTF8.self))\""
    }
}
