// SPDX-License-Identifier: Apache-2.0

import JSON
import Support

extension JSON {
    /// Parses text, to spare tests the bytes.
    static func parse(text: String) throws(JSONError) -> JSON { try parse(Array(text.utf8)) }

    /// The text that the writer makes.
    func text(indent: Int? = nil) -> String { String(decoding: serialize(indent: indent), as: UTF8.self) }

    /// A random value, without duplicate keys.
    static func random(depth: Int = 5, using generator: inout SeededGenerator) -> JSON {
        switch Int.random(in: 0..<(depth > 0 ? 7 : 5), using: &generator) {
        case 0: return .null
        case 1: return .bool(.random(using: &generator))
        case 2: return .number(randomNumber(using: &generator))
        case 3, 4: return .string(randomString(using: &generator))
        case 5:
            return .array(
                (0..<Int.random(in: 0..<5, using: &generator)).map { _ in random(depth: depth - 1, using: &generator) }
            )
        default:
            var object = JSONObject()
            for index in 0..<Int.random(in: 0..<5, using: &generator) {
                object.append(
                    "\(index)" + randomString(using: &generator),
                    random(depth: depth - 1, using: &generator)
                )
            }
            return .object(object)
        }
    }

    /// A number in any spelling that the grammar has.
    private static func randomNumber(using generator: inout SeededGenerator) -> String {
        var text = Bool.random(using: &generator) ? "-" : ""
        text += "\(UInt32.random(in: 0 ... .max, using: &generator) >> UInt32.random(in: 0..<33, using: &generator))"
        if Bool.random(using: &generator) { text += ".\(UInt16.random(in: 0 ... .max, using: &generator))" }
        if Bool.random(using: &generator) {
            text += ["e", "E", "e+", "E-"].randomElement(using: &generator) ?? "e"
            text += "\(Int.random(in: 0..<20, using: &generator))"
        }
        return text
    }

    /// A short string with what needs escapes, and characters of each length.
    private static func randomString(using generator: inout SeededGenerator) -> String {
        var text = ""
        for _ in 0..<Int.random(in: 0..<12, using: &generator) {
            let limit: UInt32 = [0x20, 0x80, 0x80, 0x800, 0xD800, 0x11_0000].randomElement(using: &generator) ?? 0x80
            let scalar = Unicode.Scalar(UInt32.random(in: 0..<limit, using: &generator)) ?? "\""
            text.unicodeScalars.append(scalar)
        }
        return text
    }
}
