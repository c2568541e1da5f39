// SPDX-License-Identifier: Apache-2.0

/// Writes JSON values as UTF-8.
struct JSONWriter {
    /// What has been written.
    private(set) var bytes: [UInt8] = []

    /// The spaces for each level; nil for everything on one line.
    private let indent: Int?

    /// How many arrays and objects are open.
    private var depth = 0

    /// Starts with nothing.
    init(indent: Int?) { self.indent = indent }

    /// Writes a value and all it contains.
    mutating func write(_ value: JSON) {
        switch value {
        case .null: write("null")
        case .bool(let value): write(value ? "true" : "false")
        case .number(let text): write(text)
        case .string(let text): writeQuoted(text)
        case .array(let elements): write(elements)
        case .object(let object): write(object)
        }
    }

    /// Writes an array.
    private mutating func write(_ elements: [JSON]) {
        guard !elements.isEmpty else { return write("[]") }
        bytes.append(UInt8(ascii: "["))
        depth += 1
        var isFirst = true
        for element in elements {
            separate(isFirst: isFirst)
            isFirst = false
            write(element)
        }
        depth -= 1
        breakLine()
        bytes.append(UInt8(ascii: "]"))
    }

    /// Writes an object.
    private mutating func write(_ object: JSONObject) {
        guard !object.members.isEmpty else { return write("{}") }
        bytes.append(UInt8(ascii: "{"))
        depth += 1
        var isFirst = true
        for member in object.members {
            separate(isFirst: isFirst)
            isFirst = false
            writeQuoted(member.key)
            bytes.append(UInt8(ascii: ":"))
            if indent != nil { bytes.append(UInt8(ascii: " ")) }
            write(member.value)
        }
        depth -= 1
        breakLine()
        bytes.append(UInt8(ascii: "}"))
    }

    /// Writes text as it is.
    private mutating func write(_ text: String) { bytes.append(contentsOf: text.utf8) }

    /// Writes what stands before an element or member.
    private mutating func separate(isFirst: Bool) {
        if !isFirst { bytes.append(UInt8(ascii: ",")) }
        breakLine()
    }

    /// Begins a line at the present depth, if lines are wanted.
    private mutating func breakLine() {
        guard let indent else { return }
        bytes.append(UInt8(ascii: "\n"))
        bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: max(0, indent) * depth))
    }

    /// Writes a string in quotes and escapes what must be escaped, no more.
    private mutating func writeQuoted(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): writeEscape(byte)
            case 0x08: writeEscape(UInt8(ascii: "b"))
            case 0x09: writeEscape(UInt8(ascii: "t"))
            case 0x0A: writeEscape(UInt8(ascii: "n"))
            case 0x0C: writeEscape(UInt8(ascii: "f"))
            case 0x0D: writeEscape(UInt8(ascii: "r"))
            case 0..<0x20: write("\\u00\(byte.hexadecimal)")
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// Writes a short escape.
    private mutating func writeEscape(_ letter: UInt8) {
        bytes.append(UInt8(ascii: "\\"))
        bytes.append(letter)
    }
}
