// SPDX-License-Identifier: Apache-2.0

import JSON
import Testing

/// Look-up and change by key.
@Suite struct JSONObjectTests {
    @Test(
        arguments: [
            ([("mtu", 1)], 1), ([("MTU", 1)], 1), ([("mtu", 1), ("mtu", 2)], 2), ([("MTU", 1), ("Mtu", 2)], 2),
            ([("mtu", 1), ("MTU", 2)], 1), ([("MTU", 2), ("mtu", 1)], 1), ([("mtu ", 1)], nil), ([("mt", 1)], nil),
            ([], nil),
        ] as [([(String, Int)], Int?)]
    )
    func theLastExactKeyWinsThenTheLastInOtherCase(members: [(String, Int)], expected: Int?) {
        let object = JSONObject(members.map { .init($0.0, .int($0.1)) })
        #expect(object["mtu"] == expected.map { .int($0) })
    }

    @Test(arguments: [("ä", "Ä"), ("[", "{"), ("@", "`"), ("ſ", "s"), ("\u{212A}", "k")])
    func onlyLettersOfASCIIHaveTwoCases(key: String, other: String) {
        #expect(JSONObject([.init(key, 1)])[other] == nil)
        #expect(JSONObject([.init(key, 1)])[key] == 1)
    }

    @Test func nullIsFoundAsNull() {
        let object = JSONObject([.init("a", .null)])
        #expect(object["a"] == .some(.null))
        #expect(object["b"] == nil)
    }

    @Test func settingReplacesAllThatMatchAtTheFirstPlace() {
        var object = JSONObject([.init("x", 0), .init("Name", 1), .init("y", 2), .init("name", 3), .init("NAME", 4)])
        object["name"] = "new"
        #expect(object == JSONObject([.init("x", 0), .init("name", "new"), .init("y", 2)]))
        object["z"] = 5
        #expect(object.members.map(\.key) == ["x", "name", "y", "z"])
    }

    @Test func settingNilRemovesAllThatMatch() {
        var object = JSONObject([.init("Name", 1), .init("y", 2), .init("name", 3)])
        object["name"] = nil
        #expect(object == JSONObject([.init("y", 2)]))
        object["name"] = nil
        #expect(object.members.count == 1)
    }

    @Test func appendingKeepsWhatIsThere() {
        var object = JSONObject()
        object.append("a", 1)
        object.append("a", 2)
        #expect(object.members.count == 2)
        #expect(object["a"] == 2)
    }
}
