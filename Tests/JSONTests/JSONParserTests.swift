// SPDX-License-Identifier: Apache-2.0

import JSON
import Testing

/// What the parser makes of texts, and where it says no.
@Suite struct JSONParserTests {
    @Test(
        arguments: [
            ("null", .null), ("true", .bool(true)), (" false\r\n", .bool(false)), ("\"\"", .string("")),
            ("[]", .array([])), ("{}", .object(JSONObject())), ("[ ]", .array([])), ("{\t}", .object(JSONObject())),
            ("[1,[],{\"a\":{}}]", [1, [], ["a": [:]]]), ("{\"a\":[true,null]}", ["a": [true, .null]]),
        ] as [(String, JSON)]
    )
    func aValueIsReadAsWhatItIs(text: String, expected: JSON) throws {
        #expect(try JSON.parse(text: text) == expected)
    }

    @Test(arguments: [
        "0", "-0", "7", "-12", "1.50", "1e3", "1E+3", "-0.0e-0", "123456789012345678901234567890", "1e999999",
    ])
    func aNumberKeepsItsText(text: String) throws {
        #expect(try JSON.parse(text: text) == .number(text))
        #expect(try JSON.parse(text: "[\(text)]") == .array([.number(text)]))
    }

    @Test(arguments: [
        "01", "-", "-a", "+1", ".5", "1.", "1.e1", "1e", "1e+", "00", "-01", "0x10", "1_000", "NaN", "Infinity", "1 2",
    ])
    func whatIsNoNumberIsRefused(text: String) {
        #expect(throws: JSONError.self) { try JSON.parse(text: text) }
    }

    @Test(arguments: [
        (#""a\"b\\c\/d\b\f\n\r\t""#, "a\"b\\c/d\u{8}\u{C}\n\r\t"), (#""\u00e4\u00E4""#, "ää"),
        (#""\u20ac""#, "€"), (#""\ud83d\ude00""#, "😀"), (#""😀ä""#, "😀ä"), (#""\u0000x""#, "\0x"),
        (#""\ud83d""#, "\u{FFFD}"), (#""\ude00""#, "\u{FFFD}"), (#""\ud83dx""#, "\u{FFFD}x"),
        (#""\ud83d\u0041""#, "\u{FFFD}A"), (#""\ud83d\ud83d\ude00""#, "\u{FFFD}😀"), (#""\ud83d\n""#, "\u{FFFD}\n"),
    ])
    func escapesAreResolvedAndHalfPairsReplaced(text: String, expected: String) throws {
        #expect(try JSON.parse(text: text) == .string(expected))
    }

    /// The replacements are those that Go's decoder makes.
    @Test(
        arguments: [
            ([0xFF], 1), ([0x80], 1), ([0xC0, 0xAF], 2), ([0xE2, 0x82], 2), ([0xED, 0xA0, 0x80], 3),
            ([0xF0, 0x9F, 0x98], 3), ([0xF4, 0x90, 0x80, 0x80], 4), ([0xE0, 0x80, 0x80], 3), ([0xF8, 0x88], 2),
        ] as [([UInt8], Int)]
    )
    func eachByteThatIsNoUTF8IsReplaced(bytes: [UInt8], replacements: Int) throws {
        let replaced = String(repeating: "\u{FFFD}", count: replacements)
        #expect(try JSON.parse([0x22] + bytes + [0x22]) == .string(replaced))
        #expect(try JSON.parse([0x22, 0x61] + bytes + [0x62, 0x22]) == .string("a\(replaced)b"))
    }

    @Test func aByteOrderMarkIsRefusedByName() throws {
        let error = try #require(throws: JSONError.self) { try JSON.parse([0xEF, 0xBB, 0xBF, 0x7B, 0x7D]) }
        #expect(error.offset == 0)
        #expect(error.problem.contains("byte order mark"))
    }

    @Test func anErrorNamesLineAndColumnInCharacters() throws {
        let error = try #require(throws: JSONError.self) { try JSON.parse(text: "{\n  \"ä€😀\": x\n}") }
        #expect(error.offset == 17)
        #expect(error.line == 2)
        #expect(error.column == 10)
        #expect(error.description == "line 2, column 10: a value is expected, not \"x\"")
    }

    @Test(arguments: ["{\"a\":[1,{\"b\":\"c\\u00e4\",\"d\":[true,false,null,-1.5e3]}]}"])
    func everyBeginningOfADocumentIsRefused(text: String) throws {
        let bytes = Array(text.utf8)
        #expect(throws: Never.self) { try JSON.parse(bytes) }
        for length in 0..<bytes.count {
            let error = try #require(throws: JSONError.self) { try JSON.parse(Array(bytes.prefix(length))) }
            #expect(error.offset <= length)
        }
    }

    @Test func duplicateKeysAreKeptInOrder() throws {
        let value = try JSON.parse(text: #"{"a":1,"b":2,"a":3}"#)
        #expect(value == .object(JSONObject([.init("a", 1), .init("b", 2), .init("a", 3)])))
    }

    @Test func aThousandLevelsAreRead() throws {
        let text = String(repeating: "[", count: 1000) + String(repeating: "]", count: 1000)
        let value = try JSON.parse(text: text)
        #expect(value.text() == text)
        #expect(try JSON.parse(text: text) == value)
    }

    @Test(arguments: ["[", "{\"a\":"], [1001, 10_000, 1_000_000])
    func deeperLevelsAreRefusedByName(opening: String, levels: Int) throws {
        let text = String(repeating: opening, count: levels)
        let error = try #require(throws: JSONError.self) { try JSON.parse(text: text) }
        #expect(error.offset == opening.utf8.count * 1000)
        #expect(error.problem == "arrays and objects nest deeper than 1000 levels")
    }

    /// The shapes are those where a copy for each value, or a look back, would make the time quadratic.
    @Test(arguments: [
        ("[", #"{"key":"value","list":[1,2.5,true,null],"text":"a\nbä"}"#, "]"), ("[", "1", "]"),
        ("{", #""a":"b""#, "}"),
    ])
    func tenMegabytesAreReadInTime(opening: String, piece: String, closing: String) throws {
        let count = 10_000_000 / (piece.utf8.count + 1)
        let text = opening + String(repeating: piece + ",", count: count) + piece + closing
        let bytes = Array(text.utf8)
        let duration = try ContinuousClock().measure { _ = try JSON.parse(bytes) }
        print("\(bytes.count) bytes of \(piece): \(duration)")
        // A debug build is many times slower, yet far from the hours that quadratic time would take.
        #if DEBUG
        #expect(duration < .seconds(120))
        #else
        // Alone it takes a quarter of a second; other tests share the processors.
        #expect(duration < .seconds(5))
        #endif
    }

    @Test func aStringOfTenMegabytesIsRead() throws {
        let text = String(repeating: "ä\\n", count: 2_500_000)
        guard case .string(let value) = try JSON.parse(text: "\"\(text)\"") else {
            Issue.record("not a string")
            return
        }
        #expect(value.utf8.count == 7_500_000)
    }
}
