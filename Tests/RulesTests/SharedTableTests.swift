// SPDX-License-Identifier: Apache-2.0

import CNI
import NFTables
import Support
import Testing

@testable import Rules

/// A table that comes with the first attachment and goes with the last.
@Suite(.ownNetworkNamespace, .serialized)
struct SharedTableTests {
    /// A chain that some share has one rule.
    private static let table = SharedTable("inet try", idleUse: 1) { base in
        base.add(.map("ports", "type inet_proto . inet_service : ipv4_addr . inet_service;"))
        base.add(.set("known", "type ifname;"))
        base.add(.chain("forward", "type filter hook forward priority 0; policy accept;"))
        base.add(.rule(in: "forward", "iifname @known drop"))
    }

    private func attachment(_ number: Int, network: String = "lan") -> Attachment {
        Attachment(network: network, containerID: "c\(number)", interface: "eth0")
    }

    private func belongings(_ number: Int, ports: ClosedRange<Int>? = nil) -> Belongings {
        var belongings = Belongings()
        for port in ports ?? (number * 100)...(number * 100 + 4) {
            belongings.add("ports", "tcp . ", port: port, "10.88.0.2 . ", port)
        }
        let name = number.isMultiple(of: 2) ? "even" : "odd"
        belongings.addSharedChain(name, ["oifname \"lo\" drop"], elements: [("known", "\"\(name)\"", "")])
        return belongings
    }

    private func ruleset() throws -> String { try Programs.run("nft", "-s", "list", "ruleset") }

    @Test func withoutAttachmentsThereIsNothing() throws {
        #expect(try Self.table.isEmpty)
        #expect(try Self.table.remove(attachment(1))?.own == nil)
        #expect(try Self.table.collect("lan", keeping: .only([])).isEmpty)
        #expect(try !Self.table.holds(attachment(1), belongings(1)))
        try Self.table.probe()
        #expect(try ruleset() == "")
    }

    @Test func theFirstFoundsItAndTheLastRemovesIt() throws {
        var states: [String] = []
        for number in 1...4 {
            states.append(try ruleset())
            try Self.table.add(attachment(number), belongings(number)) { _ in false }
            #expect(try Self.table.holds(attachment(number), belongings(number)))
        }
        #expect(try ruleset().contains("tcp . 304 : 10.88.0.2 . 304"))
        for number in (1...4).reversed() {
            let went = try Self.table.remove(attachment(number))
            let removed = try #require(went)
            #expect(removed.own.count == 5)
            #expect(removed.shared.map { $0.key } == (number == 2 ? ["\"even\""] : number == 1 ? ["\"odd\""] : []))
            #expect(try ruleset() == states[number - 1], "\(number)")
            let again = try Self.table.remove(attachment(number))
            #expect(again?.own == nil)
        }
        #expect(try ruleset() == "")
    }

    @Test func whoComesAgainReplacesWhatItHad() throws {
        try Self.table.add(attachment(2), belongings(2)) { _ in false }
        try Self.table.add(attachment(1), belongings(1)) { _ in false }
        try Self.table.add(attachment(1), belongings(1, ports: 7000...7001)) { _ in false }
        #expect(try Self.table.holds(attachment(1), belongings(1, ports: 7000...7001)))
        #expect(try !Self.table.holds(attachment(1), belongings(1)))
        #expect(try !ruleset().contains("tcp . 101"))
        #expect(try Self.table.holds(attachment(2), belongings(2)))
    }

    @Test func aHolderYieldsOrIsNamed() throws {
        try Self.table.add(attachment(1), belongings(1)) { _ in false }
        let before = try ruleset()
        var asked: [[Element]] = []
        var refusal: RulesError?
        do {
            try Self.table.add(attachment(3), belongings(3, ports: 104...110)) {
                asked.append($0)
                return false
            }
        } catch { refusal = error }
        #expect(refusal?.errno == .addressInUse)
        #expect(refusal?.text.contains("belongs to lan/c1/eth0") ?? false, "\(refusal?.text ?? "")")
        #expect(asked.count == 1 && asked[0].contains(Element(map: "ports", key: "tcp . 104")))
        #expect(try ruleset() == before)
        #expect(
            try Self.table.holders(of: [Element(map: "ports", key: "tcp . 104")]).map { $0.owner } == ["lan/c1/eth0"]
        )
        try Self.table.add(attachment(3), belongings(3, ports: 104...110)) { _ in true }
        #expect(
            try Self.table.holders(of: [Element(map: "ports", key: "tcp . 104")]).map { $0.owner } == ["lan/c3/eth0"]
        )
        #expect(try !ruleset().contains("lan/c1/eth0"))
        #expect(try ruleset().contains("chain odd"))
    }

    @Test func aCollectionTakesTheDeadOfOneNetwork() throws {
        for number in 1...4 { try Self.table.add(attachment(number), belongings(number)) { _ in false } }
        // Its name begins like the other's.
        let wan = attachment(5, network: "lan2")
        try Self.table.add(wan, belongings(5)) { _ in false }
        let before = try ruleset()
        #expect(try Self.table.collect("lan", keeping: .unknown).isEmpty)
        #expect(try ruleset() == before)
        #expect(try Self.table.collect("lan", keeping: .only([attachment(2)])).count == 3)
        #expect(try Self.table.holds(attachment(2), belongings(2)))
        #expect(try Self.table.holds(wan, belongings(5)))
        #expect(try Self.table.collect("lan", keeping: .only([])).count == 1)
        #expect(try Self.table.holds(wan, belongings(5)))
        #expect(try Self.table.collect("lan2", keeping: .only([])).count == 1)
        #expect(try ruleset() == "")
    }

    @Test(arguments: [
        "delete element inet try ports { tcp . 101 }", "delete element inet try known { \"odd\" }",
        "flush map inet try ports",
        "flush chain inet try odd", "flush chain inet try forward",
        "flush map inet try ports; flush set inet try known; flush chain inet try forward",
    ])
    func whatSomebodyTookAwayIsMissedAndTheRestGoes(change: String) throws {
        for number in 1...2 { try Self.table.add(attachment(number), belongings(number)) { _ in false } }
        try Programs.run("nft", change)
        #expect(try !Self.table.holds(attachment(1), belongings(1)))
        for number in 1...2 {
            let removed = try Self.table.remove(attachment(number))
            #expect(removed != nil)
        }
        #expect(try ruleset() == "")
    }

    @Test func fiveThousandPortsAreOneLine() throws {
        try Self.table.add(attachment(1), belongings(1)) { _ in false }
        let before = try ruleset()
        let many = belongings(2, ports: 20_000...24_999)
        #expect(many.lines.count == 2)
        try Self.table.add(attachment(2), many) { _ in false }
        #expect(try ruleset().contains("tcp . 24999"))
        let went = try Self.table.remove(attachment(2))
        let removed = try #require(went)
        #expect(removed.own.count == 5000)
        #expect(try ruleset() == before)
        // And as what founds the table.
        _ = try Self.table.remove(attachment(1))
        try Self.table.add(attachment(2), many) { _ in false }
        #expect(try ruleset().contains("tcp . 24999"))
        _ = try Self.table.remove(attachment(2))
        #expect(try ruleset() == "")
    }
}
