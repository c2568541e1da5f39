// SPDX-License-Identifier: Apache-2.0

/// A JSON value.
///
/// Numbers keep the text in which they came: what passes through a plugin leaves it as it arrived, and only the reader
/// of a number decides what it fits. Strings are equal when their bytes are, so no Unicode tables are consulted.
public enum JSON: Sendable {
    /// The literal for the absence of a value.
    case null

    /// A truth value.
    case bool(Bool)

    /// A number, as the text in which it is written.
    ///
    /// The parser guarantees the grammar. Whoever makes one by hand answers for it: the writer copies it.
    case number(String)

    /// A string, with its escapes resolved.
    case string(String)

    /// An array.
    case array([JSON])

    /// An object, with its members in the order of the text.
    case object(JSONObject)
}

extension JSON {
    /// Makes a number from an integer.
    public static func int(_ value: Int) -> JSON { .number("\(value)") }

    /// Reads a document of exactly one value.
    ///
    /// Strict as in RFC 8259, save that invalid UTF-8 in strings and unpaired surrogates become U+FFFD, one for each
    /// byte or escape, as in Go. Takes time in proportion to the input and no more stack for deeper input.
    public static func parse(_ bytes: [UInt8]) throws(JSONError) -> JSON {
        var parser = JSONParser(bytes)
        return try parser.document()
    }

    /// Writes the value as UTF-8.
    ///
    /// - Parameter indent: The spaces for each level, with each member and element on a line of its own; nil writes
    ///   everything on one line without any space.
    /// - Returns: The text, without a line break at its end.
    public func serialize(indent: Int? = nil) -> [UInt8] {
        var writer = JSONWriter(indent: indent)
        writer.write(self)
        return writer.bytes
    }

    /// What the value is, with its article, for sentences that say what was found.
    var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

extension JSON: Equatable {
    /// Compares by content; the order of members and the spelling of numbers count.
    public static func == (left: JSON, right: JSON) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let left), .bool(let right)): left == right
        case (.number(let left), .number(let right)): left.hasSameBytes(as: right)
        case (.string(let left), .string(let right)): left.hasSameBytes(as: right)
        case (.array(let left), .array(let right)): left == right
        case (.object(let left), .object(let right)): left == right
        default: false
        }
    }
}

extension JSON: ExpressibleByBooleanLiteral {
    /// Makes a truth value.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
}

extension JSON: ExpressibleByIntegerLiteral {
    /// Makes a number.
    public init(integerLiteral value: Int) { self = .int(value) }
}

extension JSON: ExpressibleByStringLiteral {
    /// Makes a string.
    public init(stringLiteral value: String) { self = .string(value) }
}

extension JSON: ExpressibleByArrayLiteral {
    /// Makes an array.
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
}

extension JSON: ExpressibleByDictionaryLiteral {
    /// Makes an object with its members in the order written.
    public init(dictionaryLiteral elements: (String, JSON)...) {
        var object = JSONObject()
        for (key, value) in elements { object.append(key, value) }
        self = .object(object)
    }
}
