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
        /// Its expressions, as libnftables-json(5) writes them.
        public let expressions: JSON
    }

    /// An element of a map whose values are verdicts.
    public struct Verdict: Sendable {
        /// The key.
        public let key: String
        /// The chain to which packets go.
        public let chain: String
    }

    /// The rules in the order of their chains.
    public private(set) var rules: [Rule] = []
    /// The elements of all verdict maps that go to a chain.
    public private(set) var verdicts: [Verdict] = []

    /// Reads the library's document; what it doesn't know it passes over.
    init(_ document: JSON) {
        for object in document["nftables"].elements {
            if case let rule = object["rule"], let chain = rule["chain"].text {
                let comment = rule["comment"].text ?? ""
                rules.append(Rule(chain: chain, comment: comment, expressions: rule["expr"]))
            }
            for pair in object["map"]["elem"].elements.map({ $0.elements }) where pair.count == 2 {
                let verdict = pair[1]["jump"] == .null ? pair[1]["goto"] : pair[1]["jump"]
                // A key with a comment or a counter is wrapped.
                let key = pair[0].text ?? pair[0]["elem"]["val"].text
                if let key, let chain = verdict["target"].text { verdicts.append(Verdict(key: key, chain: chain)) }
            }
        }
    }
}

extension JSON {
    /// The member of an object, or null.
    subscript(key: String) -> JSON {
        if case .object(let object) = self { object[key] ?? .null } else { .null }
    }

    /// The elements of an array, or none.
    var elements: [JSON] { if case .array(let elements) = self { elements } else { [] } }

    /// The text of a string, or nothing.
    var text: String? { if case .string(let text) = self { text } else { nil } }
}
