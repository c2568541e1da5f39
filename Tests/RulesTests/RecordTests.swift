// SPDX-License-Identifier: Apache-2.0

import CNI
import NFTables
import Support
import Testing

@testable import Rules

// Swift Testing has a type of the name, too.
typealias Attachment = CNI.Attachment

/// What is remembered of an attachment, and how it is read again.
@Suite(.ownNetworkNamespace, .serialized)
struct RecordTests {
    private static let table = Table("inet try")

    private func attachment(_ id: String, network: String = "lan") -> Attachment {
        Attachment(network: network, containerID: id, interface: "eth0")
    }

    private static let lines = [
        Record.Line("ports4 tcp . 8080", chain: "kept"), Record.Line("hosts6 fd88::2 . tcp . 8081-8085", chain: "kept"),
        Record.Line("bridges \"br0\"", chain: "from-1", isShared: true),
        Record.Line("near4 \"b'r'0\" . 10.88.0.2", chain: "kept"), Record.Line("=localnet \"br0\"", chain: "from-1"),
        Record.Line("=chain when-1", chain: "kept"), Record.Line("sources6 fd88::2", chain: "beyond-fd88..-64"),
    ]

    private func found(_ records: [(Attachment, [Record.Line])]) throws {
        var founding = Transaction("try", in: Self.table)
        founding.create(.table)
        for chain in ["kept", "from-1", "beyond-fd88..-64"] { founding.create(.chain(chain)) }
        founding.add(.map(Record.map, "type ifname . inet_service : verdict;"))
        for (attachment, lines) in records {
            let elements = Record.elements(attachment, lines).map {
                "\($0.key) comment \(Object.quoted($0.comment)) : \($0.verdict)"
            }
            founding.create(.element(of: Record.map, elements.joined(separator: ", ")))
        }
        var rules = try Ruleset<RulesError>.open()
        try rules.run(founding)
    }

    @Test func aRecordIsReadAsItWasWritten() throws {
        try found([
            (attachment("c1"), Self.lines), (attachment("c2"), Array(Self.lines.reversed())), (attachment("c3"), []),
        ])
        var rules = try Ruleset<RulesError>.open()
        let list = try rules.list(Self.table)
        let listing = try #require(list)
        for (id, lines) in [("c1", Self.lines), ("c2", Self.lines.reversed()), ("c3", [])] {
            let attachment = attachment(id)
            let found = try Record.named(attachment.hostInterface, in: Self.table, TableSocket())
            let record = try #require(found)
            #expect(record.owner == "lan/\(id)/eth0" && record.name == attachment.hostInterface)
            #expect(record.lines == lines)
            #expect(Self.listed(attachment, in: listing) == [record.owner] + lines.map { $0.text })
        }
        #expect(Record.all(in: listing).count { $0.number == 0 } == 3)
        let nobody = try Record.named(attachment("c4").hostInterface, in: Self.table, TableSocket())
        #expect(nobody == nil)
    }

    @Test func whatElementsWriteTheLibraryReads() throws {
        try found([])
        let long = attachment(String(repeating: "c", count: 200), network: String(repeating: "n", count: 100))
        var batch = ElementBatch("try", in: Self.table)
        for element in Record.elements(long, Self.lines) {
            batch.add(.create, Record.map, element.key, element.verdict, comment: element.comment)
        }
        let isExpressed = batch.isExpressed
        #expect(isExpressed)
        try batch.run(RulesError.self)
        let found = try Record.named(long.hostInterface, in: Self.table, TableSocket())
        let record = try #require(found)
        #expect(record.lines == Self.lines)
        // The owner is cut, and GC still knows the network.
        #expect(record.owner.utf8.count == 128)
        #expect(record.owner.hasPrefix(Attachment.ownerPrefix(network: long.network)))
        var rules = try Ruleset<RulesError>.open()
        let list = try rules.list(Self.table)
        let listing = try #require(list)
        #expect(Self.listed(long, in: listing) == [record.owner] + Self.lines.map { $0.text })
    }

    /// The texts that a listing shows of an attachment, in the order of their numbers.
    private static func listed(_ attachment: Attachment, in listing: Listing) -> [String] {
        Record.all(in: listing).filter { $0.name == attachment.hostInterface }.sorted { $0.number < $1.number }
            .map { $0.line.text }
    }

    @Test func aSpanIsSpelledOut() {
        #expect(Record.elements("ports4 tcp . 80-82").map { $0.key } == ["tcp . 80", "tcp . 81", "tcp . 82"])
        #expect(Record.elements("ports4 tcp . 80").map { $0.key } == ["tcp . 80"])
        #expect(Record.elements("ports4 tcp . 82-80").map { $0.key } == ["tcp . 82-80"])
        #expect(Record.elements("ports4 tcp . 0-70000").map { $0.key } == ["tcp . 0-70000"])
        #expect(Record.elements("near4 \"br0-1\" . 10.0.0.1").map { $0.key } == ["\"br0-1\" . 10.0.0.1"])
        #expect(Record.elements("bridges \"br0-1\"") == [Element(map: "bridges", key: "\"br0-1\"")])
        #expect(Record.elements("=chain when-1") == [Element(map: "=chain", key: "when-1")])
        #expect(Record.elements("nothing") == [])
    }
}
