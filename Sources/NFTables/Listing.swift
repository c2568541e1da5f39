// SPDX-License-Identifier: Apache-2.0

import JSON

/// What libnftables lists of a table.
public struct Listing: Sendable {
    /// A rule with what a reader can look for.
    public struct Rule: Sendable {
        /// The chain that it is in.
        public let chain: String
        /// The text for people that it carries.
        public let comment: String
        /// Its expressions as libnftables-json(5) writes them, without spaces.
        public let expressions: String
    }

    /// The rules in the order of their chains.
    public private(set) var rules: [Rule] = []
    /// The elements of the maps, each a key and a value, as libnftables-json(5) writes them without spaces.
    public private(set) var elements: [String] = []

    /// Reads the library's document; what it doesn't know it passes over.
    init(_ document: JSON) {
        for object in document["nftables"].elements {
            let rule = object["rule"]
            if let chain = rule["chain"].text {
                rules.append(
                    Rule(chain: chain, comment: rule["comment"].text ?? "", expressions: rule["expr"].written)
                )
            }
            for element in object["map"]["elem"].elements { elements.append(element.written) }
        }
    }
}

extension JSON {
    /// The member of an object, or null.
    fileprivate subscript(key: String) -> JSON {
        if case .object(let object) = self { object[key] ?? .null } else { .null }
    }

    /// The elements of an array, or none.
    fileprivate var elements: [JSON] { if case .array(let elements) = self { elements } else { [] } }

    /// The text of a string, or nothing.
    fileprivate var text: String? { if case .string(let text) = self { text } else { nil } }

    /// The value as text without spaces.
    fileprivate var written: String { String(decoding: serialize(), as: UTF8.self) }
}
