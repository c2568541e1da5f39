// SPDX-License-Identifier: Apache-2.0

import CNI
import JSON
import Linux

extension ConfigNode {
    /// One of a few words, of which the first is the default.
    public func choice(_ key: String, _ words: [String]) throws(ConfigError) -> String {
        guard let node = try member(key), case let text = try node.string(), !text.isEmpty else { return words[0] }
        guard words.contains(text) else {
            throw node.fails("\"\(text)\" is none of \(words.joined(separator: ", "))")
        }
        return text
    }

    /// On, off, or nothing for auto; a truth value does as well.
    public func offload(_ key: String) throws(ConfigError) -> Bool? {
        guard let node = try member(key) else { return nil }
        if case .bool(let value) = node.json { return value }
        switch try choice(key, ["auto", "on", "off"]) {
        case "on": return true
        case "off": return false
        default: return nil
        }
    }
}
