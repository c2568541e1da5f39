// SPDX-License-Identifier: Apache-2.0

/// Reads one JSON document from bytes.
///
/// Open arrays and objects wait on a list instead of the call stack: what comes from outside must not decide how deep
/// this process recurses. Parsing `[1,{"a":2}]` goes
///
///     [     open an array              ⟨[]⟩
///     1     complete, attach           ⟨[1]⟩
///     ,     next value
///     {     open an object, read "a":  ⟨[1]⟩ ⟨{a: …}⟩
///     2     complete, attach           ⟨[1]⟩ ⟨{a: 2}⟩
///     }     the object is complete, attach it in turn
///     ]     the array is complete, nothing is open: done
struct JSONParser {
    /// How deep arrays and objects may nest.
    ///
    /// Comparing, writing and releasing a value recurse, so this also bounds their stack.
    static let maximumDepth = 1000

    /// An array or object whose end has not been seen.
    private struct Container {
        /// Whether it began with a brace.
        let isObject: Bool

        /// In an object, the key whose value comes next.
        var key = ""

        /// In an array, what came so far.
        var elements: [JSON] = []

        /// In an object, what came so far.
        var members: [JSONObject.Member] = []

        /// Makes an empty one.
        init(isObject: Bool) { self.isObject = isObject }
    }

    /// The whole document.
    let bytes: [UInt8]

    /// The next byte to look at.
    var position = 0

    /// What is open, outermost first.
    private var open: [Container] = []

    /// Starts at the first byte.
    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Reads the only value of the document.
    mutating func document() throws(JSONError) -> JSON {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) {
            throw failure("the text begins with a byte order mark (EF BB BF), which JSON does not allow; remove it")
        }
        while true {
            guard var value = try completeValue() else { continue }
            while !open.isEmpty {
                guard let container = try attach(value) else { break }
                value = container
            }
            if open.isEmpty {
                try expectEnd()
                return value
            }
        }
    }

    /// Reads a value that ends before any other begins; nil if it opened an array or object that has content.
    private mutating func completeValue() throws(JSONError) -> JSON? {
        skipSpace()
        guard let byte = peek else { throw failure("a value is expected, not \(found)") }
        switch byte {
        case UInt8(ascii: "{"):
            try enter(Container(isObject: true))
            if skip(UInt8(ascii: "}")) { return leave() }
            try key()
            return nil
        case UInt8(ascii: "["):
            try enter(Container(isObject: false))
            return skip(UInt8(ascii: "]")) ? leave() : nil
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number())
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        default: throw failure("a value is expected, not \(found)")
        }
    }

    /// Adds a value to the innermost container, and takes that off the list if it ends here.
    private mutating func attach(_ value: JSON) throws(JSONError) -> JSON? {
        let last = open.count - 1
        skipSpace()
        // Changed where they lie: taking a container off the list to add to it would copy it for each value.
        guard open[last].isObject else {
            open[last].elements.append(value)
            if skip(UInt8(ascii: ",")) { return nil }
            if skip(UInt8(ascii: "]")) { return leave() }
            throw failure("\",\" or \"]\" is expected after an element, not \(found)")
        }
        open[last].members.append(JSONObject.Member(open[last].key, value))
        if skip(UInt8(ascii: ",")) {
            try key()
            return nil
        }
        if skip(UInt8(ascii: "}")) { return leave() }
        throw failure("\",\" or \"}\" is expected after a member, not \(found)")
    }

    /// Opens a container at its bracket.
    private mutating func enter(_ container: Container) throws(JSONError) {
        guard open.count < Self.maximumDepth else {
            throw failure("arrays and objects nest deeper than \(Self.maximumDepth) levels")
        }
        position += 1
        open.append(container)
        skipSpace()
    }

    /// Makes a value of the innermost container, which is complete.
    private mutating func leave() -> JSON {
        let container = open.removeLast()
        return container.isObject ? .object(JSONObject(container.members)) : .array(container.elements)
    }

    /// Reads the key of the next member and its colon.
    private mutating func key() throws(JSONError) {
        skipSpace()
        guard peek == UInt8(ascii: "\"") else { throw failure("a key in quotes is expected, not \(found)") }
        let key = try string()
        skipSpace()
        guard skip(UInt8(ascii: ":")) else { throw failure("\":\" is expected after a key, not \(found)") }
        open[open.count - 1].key = key
    }

    /// Reads one of the three words of the language.
    private mutating func literal(_ word: String, _ value: JSON) throws(JSONError) -> JSON {
        for (index, byte) in word.utf8.enumerated() {
            guard position + index < bytes.count, bytes[position + index] == byte else {
                throw failure("a value is expected; only true, false and null are words")
            }
        }
        position += word.utf8.count
        return value
    }

    /// Makes sure that nothing but space follows.
    private mutating func expectEnd() throws(JSONError) {
        skipSpace()
        guard peek == nil else { throw failure("the end is expected after the value, not \(found)") }
    }
}
