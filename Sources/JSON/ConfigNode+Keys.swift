// SPDX-License-Identifier: Apache-2.0

/// Short cuts to members of a known kind; nil for what is missing or null.
extension ConfigNode {
    /// The text of a member.
    public func string(_ key: String) throws(ConfigError) -> String? {
        guard let node = try member(key) else { return nil }
        return try node.string()
    }

    /// The truth value of a member.
    public func bool(_ key: String) throws(ConfigError) -> Bool? {
        guard let node = try member(key) else { return nil }
        return try node.bool()
    }

    /// The integral value of a member within a range.
    public func integer(_ key: String, in range: ClosedRange<Int64>) throws(ConfigError) -> Int64? {
        guard let node = try member(key) else { return nil }
        return try node.integer(in: range)
    }

    /// The elements of a member.
    public func elements(_ key: String) throws(ConfigError) -> [ConfigNode]? {
        guard let node = try member(key) else { return nil }
        return try node.elements()
    }

    /// The elements of a member, all of them strings.
    public func strings(_ key: String) throws(ConfigError) -> [String]? {
        guard let nodes = try elements(key) else { return nil }
        var strings: [String] = []
        for node in nodes { strings.append(try node.string()) }
        return strings
    }
}
