// SPDX-License-Identifier: Apache-2.0

import Addressing
import Glibc
import Linux
import Support
import Testing

@testable import Netlink

/// Flows that the kernel tracks, made by conntrack(8) or by real packets.
@Suite(
    .ownNetworkNamespace,
    .enabled(if: Programs.path("conntrack") != nil, "needs conntrack(8), of the package conntrack")
)
struct ConntrackTests {
    private typealias Tracker = ConntrackSocket<NetlinkError>

    /// Adds a flow from a source to a destination, answered from elsewhere if it is translated.
    private static func addFlow(
        _ transport: String = "udp",
        from source: (String, UInt16) = ("192.0.2.1", 40000),
        to destination: (String, UInt16),
        answeredBy answer: (String, UInt16)? = nil,
        as mask: String? = nil
    ) throws {
        var arguments = [
            "-I", "-p", transport, "-t", "600", "-s", source.0, "-d", destination.0, "--sport", "\(source.1)",
            "--dport", "\(destination.1)",
        ]
        if let answer { arguments += ["--dst-nat", answer.0.contains(":") ? answer.0 : "\(answer.0):\(answer.1)"] }
        if let mask { arguments += ["--src-nat", mask] }
        if transport == "sctp" {
            arguments += ["--state", "ESTABLISHED", "--orig-vtag", "1", "--reply-vtag", "2"]
        }
        if transport == "tcp" { arguments += ["--state", "ESTABLISHED"] }
        try Self.conntrack(arguments)
    }

    @discardableResult
    private static func conntrack(_ arguments: [String]) throws -> String {
        try Programs.run("conntrack", arguments)
    }

    /// The flows of a family as "protocol destination port answering-address port", sorted.
    private static func flows(_ family: String = "ipv4") throws -> [String] {
        try Self.conntrack(["-L", "-f", family]).split(separator: "\n").map { line in
            let words = line.split(separator: " ")
            func values(_ key: String) -> [Substring] {
                words.filter { $0.hasPrefix(key) }.map { $0.dropFirst(key.utf8.count) }
            }
            let (sources, targets) = (values("src="), values("dst="))
            let (sourcePorts, targetPorts) = (values("sport="), values("dport="))
            return "\(words[0]) \(targets[0]) \(targetPorts[0]) \(sources[1]) \(sourcePorts[1])"
        }.sorted()
    }

    private static let searches = [Tracker.Search.kernel, .list]

    @Test(arguments: [FlowFilter.Transport.udp, .sctp, .tcp], searches)
    private func ofAPortAllButMasqueradedFlowsAreDeleted(
        transport: FlowFilter.Transport,
        search: Tracker.Search
    ) throws {
        let (name, other) = ("\(transport)", transport == .udp ? "tcp" : "udp")
        try Self.addFlow(name, from: ("192.0.2.1", 40000), to: ("10.1.0.1", 53))
        try Self.addFlow(name, from: ("192.0.2.1", 40001), to: ("10.1.0.2", 53), answeredBy: ("10.9.0.9", 53))
        try Self.addFlow(
            name,
            from: ("10.9.0.9", 1),
            to: ("10.1.0.3", 53),
            answeredBy: ("10.9.0.9", 53),
            as: "10.9.0.1"
        )
        try Self.addFlow(name, from: ("192.0.2.1", 40004), to: ("10.1.0.1", 54))
        try Self.addFlow(name, from: ("10.9.0.2", 40003), to: ("198.51.100.1", 53), as: "10.1.0.1")
        try Self.addFlow(other, from: ("192.0.2.1", 40005), to: ("10.1.0.1", 53))
        var filter = FlowFilter()
        filter.addFlows(transport, .v4, toPort: 53)
        var tracker = try Tracker.open()
        for _ in 0..<2 {
            try tracker.deleteFlows(matching: filter, search)
            let rest = [
                "\(name) 10.1.0.1 54 10.1.0.1 54", "\(name) 198.51.100.1 53 198.51.100.1 53",
                "\(other) 10.1.0.1 53 10.1.0.1 53",
            ]
            let found = try Self.flows()
            #expect(found == rest.sorted())
        }
    }

    @Test(arguments: searches) private func anAddressMeansOnlyFlowsToIt(search: Tracker.Search) throws {
        try Self.addFlow(from: ("192.0.2.1", 1), to: ("10.1.0.1", 53))
        try Self.addFlow(from: ("192.0.2.1", 2), to: ("10.1.0.2", 53))
        try Self.addFlow(from: ("192.0.2.1", 3), to: ("10.1.0.1", 54))
        try Self.addFlow(from: ("192.0.2.1", 4), to: ("10.1.0.1", 53), answeredBy: ("10.9.0.9", 5353), as: "10.9.0.1")
        var filter = FlowFilter()
        filter.addFlows(.udp, .v4, toPort: 53, of: try address("10.1.0.1"))
        var tracker = try Tracker.open()
        try tracker.deleteFlows(matching: filter, search)
        #expect(try Self.flows() == ["udp 10.1.0.1 54 10.1.0.1 54", "udp 10.1.0.2 53 10.1.0.2 53"])
        filter.addFlows(.udp, .v4, toPort: 54, of: try address("10.1.0.2"))
        try tracker.deleteFlows(matching: filter, search)
        #expect(try Self.flows() == ["udp 10.1.0.1 54 10.1.0.1 54", "udp 10.1.0.2 53 10.1.0.2 53"])
        filter.addFlows(.udp, .v4, toPort: 53, of: try address("10.1.0.2"))
        try tracker.deleteFlows(matching: filter, search)
        #expect(try Self.flows() == ["udp 10.1.0.1 54 10.1.0.1 54"])
    }

    @Test(arguments: searches) private func bothFamiliesAreInOneFilter(search: Tracker.Search) throws {
        try Self.addFlow(from: ("2001:db8::1", 1), to: ("fd01::1", 53))
        try Self.addFlow(from: ("2001:db8::1", 2), to: ("fd01::1", 54), answeredBy: ("fd09::2", 54))
        try Self.addFlow(from: ("2001:db8::1", 3), to: ("fd01::2", 53))
        try Self.addFlow(from: ("192.0.2.1", 1), to: ("10.1.0.1", 53))
        try Self.addFlow(from: ("192.0.2.1", 2), to: ("10.1.0.1", 54))
        var filter = FlowFilter()
        #expect(filter.isEmpty)
        filter.addFlows(.udp, .v4, toPort: 53)
        filter.addFlows(.sctp, .v6, toPort: 53)
        filter.addFlows(.udp, .v6, toPort: 53, of: try address("fd01::1"))
        filter.addFlows(.udp, .v6, toPort: 54)
        #expect(!filter.isEmpty)
        var tracker = try Tracker.open()
        try tracker.deleteFlows(matching: filter, search)
        #expect(try Self.flows() == ["udp 10.1.0.1 54 10.1.0.1 54"])
        #expect(try Self.flows("ipv6") == ["udp fd01::2 53 fd01::2 53"])
    }

    @Test(arguments: searches) private func aFilterOfNothingDeletesNothing(search: Tracker.Search) throws {
        try Self.addFlow(to: ("10.1.0.1", 53))
        var tracker = try Tracker.open()
        try tracker.deleteFlows(matching: FlowFilter(), search)
        #expect(try Self.flows().count == 1)
        var filter = FlowFilter()
        filter.addFlows(.udp, .v6, toPort: 53)
        try tracker.deleteFlows(matching: filter, search)
        #expect(try Self.flows().count == 1)
    }

    @Test(arguments: [1, 100]) func moreFlowsThanABatchHoldsAreDeletedAndTheOthersStay(ports: UInt16) throws {
        var tracker = try Tracker.open()
        var filter = FlowFilter()
        for port in 0..<ports { filter.addFlows(.udp, .v4, toPort: 53 + port) }
        try FlowMaker.addFlows(250, toPort: 53, at: "10.1.0.1")
        try FlowMaker.addFlows(350, toPort: 52, at: "10.1.0.1")
        #expect(try Self.flows().count == 600)
        try tracker.deleteFlows(matching: filter)
        #expect(try Set(Self.flows()) == ["udp 10.1.0.1 52 10.1.0.1 52"])
        #expect(try Self.flows().count == 350)
    }

    /// The only flow to a UDP port in the namespace, as the kernel lists it.
    private static func flow(toPort port: UInt16) throws -> DoomedFlow {
        var socket = try NetlinkSocket<NetlinkError>.open(protocol: 12)
        var question = MessageBatch()
        question.listFlows(FlowSelection(transport: .udp, family: .v4))
        let flows = try socket.list(question).compactMap { Flow($0) }.filter { $0.original.destinationPort == port }
        try #require(flows.count == 1)
        return DoomedFlow(flows[0], .v4)
    }

    private static func delete(_ flow: DoomedFlow) throws {
        var socket = try NetlinkSocket<NetlinkError>.open(protocol: 12)
        var batch = MessageBatch()
        batch.deleteFlow(flow)
        try socket.send(batch)
    }

    @Test func aFlowThatIsGoneAlreadyIsNoError() throws {
        try Self.addFlow(to: ("10.1.0.1", 53))
        let flow = try Self.flow(toPort: 53)
        for _ in 0..<2 {
            try Self.delete(flow)
            #expect(try Self.flows().isEmpty)
        }
    }

    /// The kernel makes a flow's number from its ends and its place in memory.
    ///
    /// A later flow may get the place of the first, and cannot be told from it then; so others are put in the way until it has a
    /// place of its own.
    @Test func aLaterFlowBetweenTheSameEndsStays() throws {
        try Self.addFlow(to: ("10.1.0.1", 53))
        let flow = try Self.flow(toPort: 53)
        var others: UInt16 = 0
        repeat {
            others += 1
            try #require(others < 50)
            try Self.conntrack(["-F"])
            for port in 0..<others { try Self.addFlow(from: ("192.0.2.1", port), to: ("10.1.0.1", 54)) }
            try Self.addFlow(to: ("10.1.0.1", 53))
        } while try Self.flow(toPort: 53).id == flow.id
        try Self.delete(flow)
        #expect(try Self.flows().count == Int(others) + 1)
    }

    @Test(arguments: searches) private func flowsOfAnotherZoneAreDeletedToo(search: Tracker.Search) throws {
        try Self.conntrack([
            "-I", "-p", "udp", "-t", "600", "-s", "192.0.2.1", "-d", "10.1.0.1", "--sport", "1", "--dport", "53",
            "--zone", "7",
        ])
        #expect(try Self.flows().count == 1)
        var filter = FlowFilter()
        filter.addFlows(.udp, .v4, toPort: 53)
        var tracker = try Tracker.open()
        try tracker.deleteFlows(matching: filter, search)
        #expect(try Self.flows().isEmpty)
    }

    /// A kernel that does not know the filter must not take a message for one that means all flows.
    @Test func withoutItsFilterARemovalIsRefused() throws {
        try Self.addFlow(to: ("10.1.0.1", 53))
        var filter = FlowFilter()
        filter.addFlows(.udp, .v4, toPort: 53)
        filter.addFlows(.udp, .v4, toPort: 53, of: try address("10.1.0.1"))
        filter.addFlows(.udp, .v4, toPort: 53, of: try address("10.1.0.2"))
        let patterns = try #require(filter.selections.first?.patterns)
        #expect(patterns.count == 4)
        for pattern in patterns {
            var batch = MessageBatch()
            batch.deleteFlows(pattern, .v4)
            var bytes = [UInt8](batch.bytes)
            // CTA_FILTER becomes an attribute that no kernel knows.
            try #require(bytes[22] == 25)
            bytes[22] = 63
            #expect(try Self.answer(to: bytes) == -EINVAL)
        }
        #expect(try Self.flows().count == 1)
    }

    /// The error number with which the kernel answers a message of netfilter.
    private static func answer(to message: [UInt8]) throws -> Int32 {
        let socket = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue), 12)
        defer { close(socket) }
        try #require(Glibc.send(socket, message, message.count, 0) == message.count)
        var buffer = [UInt8](repeating: 0, count: 4096)
        try #require(recv(socket, &buffer, buffer.count, 0) >= 20)
        return buffer[...].integer(Int32.self, at: 16) ?? 0
    }

    @Test(arguments: ["127.0.0.1", "::1"], searches)
    private func realPacketsGoTheNewWayAfterwards(loopback: String, search: Tracker.Search) throws {
        let family = loopback == "::1" ? "ip6" : "ip"
        try Programs.run(
            "nft",
            "add table \(family) t; add chain \(family) t out { type nat hook output priority -100; }"
        )
        let client = try InternetSocket(.datagram, at: loopback)
        let servers = try [7001, 7002].map { try InternetSocket(.datagram, at: loopback, port: $0) }
        func publish(_ port: Int) throws {
            let target = loopback == "::1" ? "[::1]" : loopback
            try Programs.run(
                "nft",
                "flush chain \(family) t out; add rule \(family) t out udp dport 5300 dnat to \(target):\(port)"
            )
        }
        func reached(_ text: String) -> Int? {
            client.send(text, to: loopback, port: 5300)
            var index: Int?
            _ = eventually {
                index = servers.firstIndex { $0.receive(milliseconds: 0) == text }
                return index != nil
            }
            return index
        }
        try publish(7001)
        #expect(reached("one") == 0)
        try publish(7002)
        // The kernel remembers.
        #expect(reached("two") == 0)
        var filter = FlowFilter()
        filter.addFlows(.udp, loopback == "::1" ? .v6 : .v4, toPort: 5300)
        var tracker = try Tracker.open()
        try tracker.deleteFlows(matching: filter, search)
        #expect(reached("three") == 1)
        try publish(7001)
        #expect(reached("four") == 1)
        try tracker.deleteFlows(matching: filter, search)
        #expect(reached("five") == 0)
    }

    @Test(arguments: searches) private func theSocketStaysWhereItWasOpened(search: Tracker.Search) throws {
        try Self.addFlow(to: ("10.1.0.1", 53))
        let container = try ContainerNamespace()
        var filter = FlowFilter()
        filter.addFlows(.udp, .v4, toPort: 53)
        var inside = try container.perform { () throws(NetlinkError) in try Tracker.open() }
        try inside.deleteFlows(matching: filter, search)
        #expect(try Self.flows().count == 1)
        var tracker = try Tracker.open()
        try container.inside { try tracker.deleteFlows(matching: filter, search) }
        #expect(try Self.flows().isEmpty)
    }
}
