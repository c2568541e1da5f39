// SPDX-License-Identifier: Apache-2.0

/// A value in a configuration, with the path by which it was reached.
///
/// Readers ask for what they need; whatever doesn't fit becomes an error that names the place. Missing members and null
/// are the same, as they are to Go: the reader's default holds.
public struct ConfigNode: Sendable {
    /// The value.
    public let json: JSON

    private let way: ConfigPath

    /// The way from the root to the value; empty for the root.
    public var path: String { way.text }

    /// Makes a node, by default the root.
    public init(_ json: JSON, path: String = "") { self.init(json, .start(path)) }

    private init(_ json: JSON, _ way: ConfigPath) {
        self.json = json
        self.way = way
    }

    /// Makes an error at this place.
    @inline(never)
    public func fails(_ problem: String) -> ConfigError { ConfigError(path: path, problem: problem) }

    /// The member with this key; nil if it is missing or null.
    @inline(never)
    public func member(_ key: String) throws(ConfigError) -> ConfigNode? {
        guard case .object(let object) = json else { throw isNot("an object") }
        switch object[key] {
        case nil, .null: return nil
        case .some(let value): return ConfigNode(value, .member(way, key: key))
        }
    }

    /// All members of an object, null and duplicates included, in the order of the text.
    public func members() throws(ConfigError) -> [(key: String, node: ConfigNode)] {
        guard case .object(let object) = json else { throw isNot("an object") }
        return object.members.map { ($0.key, ConfigNode($0.value, .member(way, key: $0.key))) }
    }

    /// All elements of an array.
    public func elements() throws(ConfigError) -> [ConfigNode] {
        guard case .array(let elements) = json else { throw isNot("an array") }
        var nodes: [ConfigNode] = []
        nodes.reserveCapacity(elements.count)
        for element in elements { nodes.append(ConfigNode(element, .element(way, position: nodes.count))) }
        return nodes
    }

    /// The text of a string.
    public func string() throws(ConfigError) -> String {
        guard case .string(let text) = json else { throw isNot("a string") }
        return text
    }

    /// The value of a boolean.
    public func bool() throws(ConfigError) -> Bool {
        guard case .bool(let value) = json else { throw isNot("a boolean") }
        return value
    }

    /// The value of an integral number within a range.
    ///
    /// A fraction or an exponent is refused even where the value is integral, as Go does.
    public func integer(in range: ClosedRange<Int64>) throws(ConfigError) -> Int64 {
        guard case .number(let text) = json else { throw isNot("a number") }
        guard text.utf8.allSatisfy({ $0.isDigit || $0 == UInt8(ascii: "-") }) else {
            throw fails("must be a whole number without fraction or exponent, not \(Self.shortened(text))")
        }
        // What is no Int64 is out of any range of them.
        guard let value = Int64(text), range.contains(value) else {
            throw fails("must be between \(range.lowerBound) and \(range.upperBound), not \(Self.shortened(text))")
        }
        return value
    }

    /// An error that says what was found instead.
    private func isNot(_ wanted: String) -> ConfigError { fails("must be \(wanted), not \(json.kind)") }

    /// The beginning of a number, which may be a million digits long.
    private static func shortened(_ text: String) -> String {
        guard text.utf8.count > 40 else { return text }
        return String(decoding: Array(text.utf8.prefix(40)), as: UTF8.self) + "…"
    }
}
