// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import CNI

/// Versions of the specification.
@Suite struct VersionTests {
    private static let spellings = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]

    @Test func allVersionsAreSpokenOldestFirst() {
        #expect(Version.allCases.map { $0.description } == Self.spellings)
        #expect(Version.allCases == Version.allCases.sorted())
        #expect(Version.newest.description == "1.1.0")
        #expect(Version.list(separator: ", ") == "0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0")
    }

    @Test(arguments: spellings) func eachSpellingIsRead(text: String) { #expect(Version(text)?.description == text) }

    @Test func aMissingVersionIsTheOldest() { #expect(Version("") == .v0_1_0) }

    @Test(arguments: [
        "0.4", "1.0", "1", "01.0.0", "1.1.0 ", "v1.1.0", "1.1.1", "1.2.0", "2.0.0", "0.3.2", "abc", "1.1.0\0",
    ])
    func otherSpellingsAreRefused(text: String) { #expect(Version(text) == nil) }

    @Test(arguments: [
        ("0.3.1", Version.v0_4_0, true), ("0.4.0", .v0_4_0, false), ("1.0.0", .v1_1_0, true), ("1.1.0", .v1_1_0, false),
        ("0.10.0", .v0_4_0, false), ("9.9.9", .v1_1_0, false), ("1.1", .v1_1_0, false), ("1", .v1_1_0, true),
        ("0.9.12", .v1_0_0, true),
    ])
    func numbersThatAreNotOursAreComparedToo(text: String, version: Version, isOlder: Bool) throws {
        #expect(try #require(VersionNumber(text)).isOlder(than: version) == isOlder)
    }

    @Test(arguments: ["abc", "", "1..0", "1.1.0.0", "-1.0.0", "1.x", "99999999999999999999.0.0"])
    func whatIsNoNumberIsRefused(text: String) { #expect(VersionNumber(text) == nil) }
}

/// Names that the protocol allows.
@Suite struct NameTests {
    @Test(arguments: ["a", "Z9", "0", "a.b-c_d", String(repeating: "x", count: 300), "1..2", "a--"])
    func identifiersThatAreAllowed(text: String) { #expect(Names.isIdentifier(text)) }

    @Test(arguments: ["", "-a", ".a", "_a", "a/b", "a\n", "a b", "ä", "aä", "a\0", "a;b", "a\r\n"])
    func identifiersThatAreRefused(text: String) { #expect(!Names.isIdentifier(text)) }

    @Test(arguments: ["e", "eth0", "fifteen-bytes-x", "...", "-", "eth0@if3", "äöü", "veth%"])
    func interfaceNamesThatAreAllowed(name: String) throws { try Names.validateInterface(name) }

    @Test(arguments: [
        ("sixteen-bytes-xx", "interface name is too long"), ("ääääääää", "interface name is too long"),
        (".", "interface name is . or .."), ("..", "interface name is . or .."),
        ("a:b", "interface name contains / or : or whitespace characters"),
        ("a/b", "interface name contains / or : or whitespace characters"),
        ("a b", "interface name contains / or : or whitespace characters"),
        ("a\u{a0}b", "interface name contains / or : or whitespace characters"),
        ("a\n", "interface name contains / or : or whitespace characters"),
        ("\r\n", "interface name contains / or : or whitespace characters"),
    ])
    func interfaceNamesThatAreRefused(name: String, message: String) throws {
        let error = try #require(throws: CNIError.self) { try Names.validateInterface(name) }
        #expect(error.code == 4)
        #expect(error.message == message)
        #expect(error.details.contains("CNI_IFNAME"))
    }

    @Test func commandsKnowWhatTheyNeedAndSinceWhen() {
        #expect(Command(rawValue: "add") == nil)
        #expect(Command(rawValue: "VERSION") == nil)
        #expect(Command.allCases.map { $0.rawValue } == ["ADD", "CHECK", "DEL", "GC", "STATUS"])
        #expect(Command.add.required == ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"])
        #expect(Command.delete.required == ["CNI_CONTAINERID", "CNI_IFNAME"])
        #expect(Command.collect.required.isEmpty && Command.status.required.isEmpty)
        #expect(Command.allCases.map { $0.since } == [nil, .v0_4_0, nil, .v1_1_0, .v1_1_0])
    }
}
