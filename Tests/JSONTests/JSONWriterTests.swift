// SPDX-License-Identifier: Apache-2.0

import JSON
import Testing

/// What the writer writes.
@Suite struct JSONWriterTests {
    @Test func aCompactTextHasNoSpaceAndKeepsTheOrder() {
        let value: JSON = ["z": 1, "a": [true, .null, "x"], "e": [:], "l": []]
        #expect(value.text() == #"{"z":1,"a":[true,null,"x"],"e":{},"l":[]}"#)
    }

    @Test func anIndentedTextLooksLikeThatOfGo() {
        let value: JSON = ["cniVersion": "1.1.0", "ips": [["address": "10.1.0.5/16"], 1], "dns": [:], "routes": []]
        let expected = """
            {
                "cniVersion": "1.1.0",
                "ips": [
                    {
                        "address": "10.1.0.5/16"
                    },
                    1
                ],
                "dns": {},
                "routes": []
            }
            """
        #expect(value.text(indent: 4) == expected)
        #expect(
            value.text(indent: 0)
                == expected.split(separator: "\n").map { $0.drop { $0 == " " } }.joined(separator: "\n")
        )
    }

    @Test(arguments: [
        ("a/b<c>&ä€😀\u{7F}\u{2028}", "\"a/b<c>&ä€😀\u{7F}\u{2028}\""), ("\"\\", #""\"\\""#),
        ("\u{8}\t\n\u{C}\r", #""\b\t\n\f\r""#), ("\0\u{1}\u{1F}", #""\u0000\u0001\u001f""#),
    ])
    func onlyWhatMustBeIsEscaped(text: String, expected: String) throws {
        #expect(JSON.string(text).text() == expected)
        #expect(JSON.object(JSONObject([.init(text, .null)])).text() == "{\(expected):null}")
        #expect(try JSON.parse(text: expected) == .string(text))
    }

    @Test func literalsMakeTheValuesTheyLookLike() {
        #expect(JSON.int(.min) == .number("-9223372036854775808"))
        #expect([1, "a", false] as JSON == .array([.number("1"), .string("a"), .bool(false)]))
        #expect(["b": 1, "b": 2] as JSON == .object(JSONObject([.init("b", .int(1)), .init("b", .int(2))])))
    }

    @Test func stringsAreEqualByTheirBytes() {
        #expect(JSON.string("\u{E4}") != .string("a\u{308}"))
        #expect(JSON.number("1.0") != .number("1"))
        #expect(JSON.null != .bool(false))
        #expect(["a": 1, "b": 2] as JSON != ["b": 2, "a": 1])
    }
}
