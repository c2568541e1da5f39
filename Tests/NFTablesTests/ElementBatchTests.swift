// SPDX-License-Identifier: Apache-2.0

import Foundation
import Linux
import Support
import Testing

@testable import NFTables

/// Elements that are told to the kernel without the library, compared with those that nft makes.
@Suite(.ownNetworkNamespace, .serialized)
struct ElementBatchTests {
    /// One kind of map or set with its elements.
    struct Kind: CustomTestStringConvertible, Sendable {
        let type: String
        var elements: [(key: String, value: String)] = []
        var isSet = false

        var testDescription: String { type }

        init(_ type: String, _ elements: (String, String)...) {
            self.type = type
            self.elements = elements.map { (key: $0.0, value: $0.1) }
        }

        init(set type: String, _ keys: String...) {
            self.type = type
            (elements, isSet) = (keys.map { (key: $0, value: "") }, true)
        }
    }

    private static let kinds = [
        Kind(set: "ipv4_addr", "10.88.0.2", "255.255.255.255", "0.0.0.0"),
        Kind(set: "ipv6_addr", "fd88::2", "::", "2001:db8:1:2:3:4:5:6"),
        Kind(set: "ifname", "\"eth0\"", "\"fifteen-letters\"", "\"br.0\"", "\"0\"", "\"tcp\"", "\"a'b\""),
        Kind(set: "inet_proto", "tcp", "udp", "sctp"), Kind(set: "inet_service", "0", "80", "256", "65535"),
        Kind(set: "ipv4_addr . ipv4_addr", "10.88.0.2 . 10.88.0.3"),
        Kind(set: "ifname . ipv6_addr", "\"br0\" . fd88::2", "\"fifteen-letters\" . ::1"),
        Kind("ipv4_addr : verdict", ("10.88.0.2", "goto one"), ("10.88.0.3", "jump a-long.name_of-a-chain")),
        Kind("ipv6_addr : verdict", ("fd88::2", "jump one")),
        Kind("ifname : verdict", ("\"br0\"", "jump one"), ("\"br1\"", "goto one")),
        Kind("ifname . inet_service : verdict", ("\"veth1a2b3c4d5e6\" . 0", "jump one"), ("\"x\" . 300", "jump one")),
        Kind("inet_proto . inet_service : verdict", ("tcp . 80", "goto one"), ("sctp . 80", "jump one")),
        Kind("inet_proto . inet_service : ipv4_addr . inet_service", ("udp . 5300", "10.88.0.2 . 53")),
        Kind("inet_proto . inet_service : ipv6_addr . inet_service", ("tcp . 8080", "fd88::2 . 80")),
        Kind(
            "ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service",
            ("192.0.2.1 . tcp . 1", "10.88.0.2 . 2")
        ),
        Kind(
            "ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service",
            ("2001:db8::1 . udp . 1", "fd88::2 . 2")
        ),
    ]

    private static let table = Table("inet try")

    private func expressed(_ isExpressed: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(isExpressed, sourceLocation: sourceLocation)
    }

    /// Makes the same table twice, under two names.
    private func found(_ kind: Kind) throws {
        for name in ["try", "nft"] {
            let object = kind.isSet ? "set" : "map"
            try Programs.run(
                "nft",
                """
                add table inet \(name); add chain inet \(name) one; add chain inet \(name) a-long.name_of-a-chain;
                add \(object) inet \(name) m { type \(kind.type); }
                """
            )
        }
    }

    /// What nft lists of a table, as JSON without its name and numbers.
    private func listing(_ name: String) throws -> String {
        try Programs.run("nft", "-j", "list", "table", "inet", name).replacing("\"\(name)\"", with: "\"try\"")
            .replacing(/"handle": [0-9]+/, with: "")
    }

    @Test(arguments: kinds) func theyAreWhatNftMakes(kind: Kind) throws {
        try found(kind)
        let empty = try listing("try")
        let comments = ["", "a", String(repeating: "c", count: 128), String(repeating: "é", count: 64), "it's"]
        var batch = ElementBatch("try", in: Self.table)
        for (number, element) in kind.elements.enumerated() {
            let comment = comments[number % comments.count]
            batch.add(.create, "m", element.key, element.value, comment: comment)
            expressed(batch.isExpressed)
            let note = comment.isEmpty ? "" : " comment \(Object.quoted(comment))"
            let value = element.value.isEmpty ? "" : " : \(element.value)"
            try Programs.run("nft", "add element inet nft m { \(element.key)\(note)\(value) }")
        }
        try batch.run(RulesError.self)
        let (ours, theirs) = (try listing("try"), try listing("nft"))
        #expect(ours == theirs)
        #expect(ours != empty)
        // They go one by one.
        var removal = ElementBatch("try", in: Self.table)
        for element in kind.elements { removal.add(.delete, "m", element.key) }
        expressed(removal.isExpressed)
        try removal.run(RulesError.self)
        #expect(try listing("try") == empty)
    }

    @Test(arguments: [0, 1, 127, 128, 129]) func aCommentIsKeptUpTo128Bytes(count: Int) throws {
        try found(Kind("ifname . inet_service : verdict"))
        let comment = String(repeating: "x", count: count)
        var batch = ElementBatch("try", in: Self.table)
        batch.add(.create, "m", "\"veth0\" . 1", "jump one", comment: comment)
        expressed(batch.isExpressed)
        try batch.run(RulesError.self)
        let found = try TableSocket().element(of: "m", "\"veth0\" . 1", in: Self.table)
        let element = try #require(found)
        #expect(element.comment == String(comment.prefix(128)))
        #expect(element.chain == "one")
        let other = try TableSocket().element(of: "m", "\"veth0\" . 2", in: Self.table)
        #expect(other?.chain == nil)
    }

    @Test func fiveThousandPortsAtOnce() throws {
        let type = "ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service"
        try found(Kind(type))
        let empty = try listing("try")
        let ports = 20_000...24_999
        var batch = ElementBatch("try", in: Self.table)
        batch.add(.create, "m", "2001:db8::1 . tcp . ", ports: ports, "fd88::2 . ", ports.map { $0 - 10_000 })
        expressed(batch.isExpressed)
        try batch.run(RulesError.self)
        let elements = ports.map { "2001:db8::1 . tcp . \($0) : fd88::2 . \($0 - 10_000)" }
        let directory = try TemporaryDirectory()
        let file = try directory.write("add element inet nft m { \(elements.joined(separator: ", ")) }", to: "elements")
        try Programs.run("nft", "-f", file)
        let (ours, theirs) = (try listing("try"), try listing("nft"))
        #expect(ours == theirs)
        var removal = ElementBatch("try", in: Self.table)
        removal.add(.delete, "m", "2001:db8::1 . tcp . ", ports: ports)
        expressed(removal.isExpressed)
        try removal.run(RulesError.self)
        #expect(try listing("try") == empty)
    }

    /// Runs what must be refused in a way.
    private func expect(
        _ errno: Errno,
        sourceLocation: SourceLocation = #_sourceLocation,
        _ build: (inout ElementBatch) -> Void
    ) {
        var batch = ElementBatch("try", in: Self.table)
        build(&batch)
        expressed(batch.isExpressed, sourceLocation: sourceLocation)
        do {
            try batch.run(RulesError.self)
            Issue.record("nobody refused", sourceLocation: sourceLocation)
        } catch { #expect(error.errno == errno, sourceLocation: sourceLocation) }
    }

    @Test func ofARefusedBatchNothingStays() throws {
        try found(Kind("inet_proto . inet_service : ipv4_addr . inet_service"))
        var batch = ElementBatch("try", in: Self.table)
        batch.add(.create, "m", "tcp . ", ports: 100...110, "10.0.0.1 . ", Array(100...110))
        expressed(batch.isExpressed)
        try batch.run(RulesError.self)
        let before = try listing("try")
        expect(.fileExists) { $0.add(.create, "m", "tcp . ", ports: 1...100, "10.0.0.1 . ", Array(1...100)) }
        #expect(try listing("try") == before)
        // Even one that is the same.
        expect(.fileExists) { $0.add(.create, "m", "tcp . 100", "10.0.0.1 . 100") }
        expect(.noSuchFile) { $0.add(.delete, "m", "tcp . ", ports: 101...111) }
        expect(.noSuchFile) { $0.add(.delete, "m", "udp . 100") }
        #expect(try listing("try") == before)
        // A map, a chain and a table that are not there.
        expect(.noSuchFile) { $0.add(.create, "n", "tcp . 1", "10.0.0.1 . 1") }
        try Programs.run("nft", "add map inet try v { type ifname : verdict; }")
        let later = try listing("try")
        expect(.noSuchFile) {
            $0.add(.create, "m", "tcp . 1", "10.0.0.1 . 1")
            $0.add(.create, "v", "\"x\"", "jump nowhere")
        }
        #expect(try listing("try") == later)
        try Programs.run("nft", "delete table inet try")
        expect(.noSuchFile) { $0.add(.create, "m", "tcp . 1", "10.0.0.1 . 1") }
    }

    @Test(arguments: [
        "icmp", "tcp 80", "tcp . http", "65536", "-1", "10.0.0", "10.0.0.0/8", "eth0", "\"sixteen-letters-\"", "\"\"",
        "\"a b\"", "\"open", "tcp . . 80",
    ])
    func whatIsNoKeyIsNotExpressed(text: String) {
        #expect(ElementBatch.encode(text) == nil)
        var batch = ElementBatch("try", in: Self.table)
        batch.add(.create, "m", text)
        let isExpressed = batch.isExpressed
        #expect(!isExpressed)
    }

    @Test func oneThatIsNotExpressedIsRememberedWhateverFollows() {
        for build: (inout ElementBatch) -> Void in [
            { $0.add(.delete, "m", "tcp . http") }, { $0.add(.create, "m", "tcp . 80", "drop") },
            { $0.add(.delete, "m", "icmp . ", ports: 1...2) },
            { $0.add(.create, "m", "tcp . ", ports: 1...2, "eth0 . ", [1, 2]) },
        ] {
            var batch = ElementBatch("try", in: Self.table)
            batch.add(.delete, "m", "tcp . 80")
            expressed(batch.isExpressed)
            build(&batch)
            batch.add(.delete, "m", "tcp . 81")
            let isExpressed = batch.isExpressed
            #expect(!isExpressed)
        }
    }
}
