// SPDX-License-Identifier: Apache-2.0

import Addressing
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
        answeredBy answer: (String, UInt16)? = nil
    ) throws {
        let answer = answer ?? destination
        var arguments = [
            "-I", "-p", transport, "-t", "600", "-s", source.0, "-d", destination.0, "--sport", "\(source.1)",
            "--dport", "\(destination.1)", "-r", answer.0, "-q", source.0, "--reply-port-src", "\(answer.1)",
            "--reply-port-dst", "\(source.1)",
        ]
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

    private static func end(_ text: String, _ port: UInt16) throws -> FlowEndpoint {
        FlowEndpoint(try address(text), port: port)
    }

    /// Gives the namespace an address of its own, so that it is one of the host.
    private static func makeHost() throws {
        var kernel = try Kernel.open()
        let index = try kernel.makePair("a0", "b0")
        let own = try [prefix("10.1.0.1/24"), prefix("10.1.0.2/24"), prefix("fd01::1/64")]
        try kernel.send { batch in own.forEach { batch.addAddress($0, to: index) } }
    }

    @Test(arguments: [FlowFilter.Transport.udp, .sctp, .tcp])
    func ofAPublishedPortTheFlowsThatReachTheContainerStay(transport: FlowFilter.Transport) throws {
        try Self.makeHost()
        let name = "\(transport)"
        try Self.addFlow(name, from: ("192.0.2.1", 40000), to: ("10.1.0.1", 53))
        try Self.addFlow(name, from: ("192.0.2.1", 40001), to: ("10.1.0.2", 53), answeredBy: ("10.9.0.9", 5353))
        try Self.addFlow(name, from: ("192.0.2.1", 40002), to: ("10.1.0.1", 53), answeredBy: ("10.9.0.2", 5353))
        try Self.addFlow(name, from: ("192.0.2.1", 40003), to: ("10.1.0.1", 53), answeredBy: ("10.9.0.2", 99))
        try Self.addFlow(name, from: ("192.0.2.1", 40004), to: ("10.1.0.1", 54))
        try Self.addFlow(transport == .udp ? "tcp" : "udp", from: ("192.0.2.1", 40005), to: ("10.1.0.1", 53))
        var filter = FlowFilter()
        filter.addFlows(transport, toPublished: 53, at: nil, exceptTo: try Self.end("10.9.0.2", 5353))
        var tracker = try Tracker.open()
        #expect(try tracker.deleteFlows(matching: filter) == 3)
        let other = transport == .udp ? "tcp" : "udp"
        #expect(
            try Self.flows()
                == [
                    "\(name) 10.1.0.1 53 10.9.0.2 5353", "\(name) 10.1.0.1 54 10.1.0.1 54",
                    "\(other) 10.1.0.1 53 10.1.0.1 53",
                ].sorted()
        )
        #expect(try tracker.deleteFlows(matching: filter) == 0)
    }

    @Test func whatTheHostForwardsToOthersStays() throws {
        try Self.makeHost()
        try Self.addFlow(from: ("192.0.2.1", 1), to: ("198.51.100.1", 53))
        try Self.addFlow(from: ("192.0.2.1", 2), to: ("10.1.0.77", 53))
        try Self.addFlow(from: ("192.0.2.1", 3), to: ("10.1.0.1", 53))
        try Self.addFlow(from: ("192.0.2.1", 4), to: ("127.0.0.1", 53))
        var filter = FlowFilter()
        filter.addFlows(.udp, toPublished: 53, at: nil, exceptTo: try Self.end("10.9.0.2", 53))
        var tracker = try Tracker.open()
        #expect(try tracker.deleteFlows(matching: filter) == 2)
        #expect(try Self.flows() == ["udp 10.1.0.77 53 10.1.0.77 53", "udp 198.51.100.1 53 198.51.100.1 53"])
    }

    @Test func aPublishedAddressMeansOnlyFlowsToIt() throws {
        try Self.addFlow(from: ("192.0.2.1", 1), to: ("10.1.0.1", 53))
        try Self.addFlow(from: ("192.0.2.1", 2), to: ("10.1.0.2", 53))
        try Self.addFlow(from: ("192.0.2.1", 3), to: ("10.1.0.1", 54))
        var filter = FlowFilter()
        filter.addFlows(.udp, toPublished: 53, at: try address("10.1.0.1"), exceptTo: try Self.end("10.9.0.2", 53))
        var tracker = try Tracker.open()
        #expect(try tracker.deleteFlows(matching: filter) == 1)
        #expect(try Self.flows() == ["udp 10.1.0.1 54 10.1.0.1 54", "udp 10.1.0.2 53 10.1.0.2 53"])
        // With a second port and a second address the kernel can leave out less, and the answer is the same.
        filter.addFlows(.udp, toPublished: 54, at: try address("10.1.0.2"), exceptTo: try Self.end("10.9.0.2", 54))
        #expect(try tracker.deleteFlows(matching: filter) == 0)
        filter.addFlows(.udp, toPublished: 53, at: try address("10.1.0.2"), exceptTo: try Self.end("10.9.0.2", 54))
        #expect(try tracker.deleteFlows(matching: filter) == 1)
        #expect(try Self.flows() == ["udp 10.1.0.1 54 10.1.0.1 54"])
    }

    @Test func theFlowsOfAContainerAreThoseThatItAnswers() throws {
        try Self.addFlow(from: ("192.0.2.1", 1), to: ("10.1.0.1", 53), answeredBy: ("10.9.0.2", 5353))
        try Self.addFlow(from: ("192.0.2.1", 2), to: ("10.1.0.1", 54), answeredBy: ("10.9.0.2", 5354))
        try Self.addFlow(from: ("192.0.2.1", 3), to: ("10.1.0.1", 55), answeredBy: ("10.9.0.2", 5355))
        try Self.addFlow(from: ("192.0.2.1", 4), to: ("10.1.0.1", 53), answeredBy: ("10.9.0.3", 5353))
        var filter = FlowFilter()
        filter.addFlows(.udp, to: try Self.end("10.9.0.2", 5353))
        filter.addFlows(.udp, to: try Self.end("10.9.0.2", 5354))
        filter.addFlows(.sctp, to: try Self.end("10.9.0.2", 5355))
        var tracker = try Tracker.open()
        #expect(try tracker.deleteFlows(matching: filter) == 2)
        #expect(try Self.flows() == ["udp 10.1.0.1 53 10.9.0.3 5353", "udp 10.1.0.1 55 10.9.0.2 5355"])
    }

    @Test func bothFamiliesAreInOneFilter() throws {
        try Self.makeHost()
        try Self.addFlow(from: ("2001:db8::1", 1), to: ("fd01::1", 53))
        try Self.addFlow(from: ("2001:db8::1", 2), to: ("fd01::1", 54), answeredBy: ("fd09::2", 54))
        try Self.addFlow(from: ("2001:db8::1", 3), to: ("2001:db8::53", 53))
        try Self.addFlow(from: ("192.0.2.1", 1), to: ("10.1.0.1", 53))
        try Self.addFlow(from: ("192.0.2.1", 2), to: ("10.1.0.1", 54))
        var filter = FlowFilter()
        #expect(filter.isEmpty)
        filter.addFlows(.udp, toPublished: 53, at: nil, exceptTo: try Self.end("10.9.0.2", 53))
        filter.addFlows(.udp, toPublished: 53, at: nil, exceptTo: try Self.end("fd09::2", 53))
        filter.addFlows(.udp, to: try Self.end("fd09::2", 54))
        #expect(!filter.isEmpty)
        var tracker = try Tracker.open()
        #expect(try tracker.deleteFlows(matching: filter) == 3)
        #expect(try Self.flows() == ["udp 10.1.0.1 54 10.1.0.1 54"])
        #expect(try Self.flows("ipv6") == ["udp 2001:db8::53 53 2001:db8::53 53"])
    }

    @Test func moreFlowsThanABatchHoldsAreDeletedAndTheOthersStay() throws {
        try Self.makeHost()
        var tracker = try Tracker.open()
        var filter = FlowFilter()
        filter.addFlows(.udp, toPublished: 53, at: nil, exceptTo: try Self.end("10.9.0.2", 53))
        filter.addFlows(.udp, toPublished: 153, at: nil, exceptTo: try Self.end("10.9.0.2", 53))
        try FlowMaker.addFlows(250, toPort: 53, at: "10.1.0.1")
        try FlowMaker.addFlows(350, toPort: 54, at: "10.1.0.1")
        #expect(try Self.flows().count == 600)
        #expect(try tracker.deleteFlows(matching: filter) == 250)
        #expect(try Set(Self.flows()) == ["udp 10.1.0.1 54 10.1.0.1 54"])
        #expect(try Self.flows().count == 350)
    }

    @Test func aFlowThatIsGoneAlreadyIsNoError() throws {
        try Self.addFlow(to: ("10.1.0.1", 53))
        var socket = try NetlinkSocket<NetlinkError>.open(protocol: 12)
        var filter = FlowFilter()
        filter.addFlows(.udp, toPublished: 53, at: try address("10.1.0.1"), exceptTo: try Self.end("10.9.0.2", 53))
        let selection = try #require(filter.selections.first)
        let messages = try socket.list { selection.putRequest(into: &$0) }
        let flow = try #require(messages.first.flatMap { Flow($0) })
        for _ in 0..<2 {
            var batch = MessageBatch()
            batch.deleteFlow(DoomedFlow(flow, .v4))
            try socket.send(batch)
            #expect(try Self.flows().isEmpty)
        }
    }

    @Test func aLaterFlowBetweenTheSameEndsStays() throws {
        try Self.addFlow(to: ("10.1.0.1", 53))
        var socket = try NetlinkSocket<NetlinkError>.open(protocol: 12)
        var filter = FlowFilter()
        filter.addFlows(.udp, to: try Self.end("10.1.0.1", 53))
        let selection = try #require(filter.selections.first)
        let messages = try socket.list { selection.putRequest(into: &$0) }
        let flow = try #require(messages.first.flatMap { Flow($0) })
        try Self.conntrack(["-F"])
        // Another flow is in the way of the kernel giving the number out again.
        try Self.addFlow(from: ("192.0.2.1", 2), to: ("10.1.0.1", 54))
        try Self.addFlow(to: ("10.1.0.1", 53))
        var batch = MessageBatch()
        batch.deleteFlow(DoomedFlow(flow, .v4))
        try socket.send(batch)
        #expect(try Self.flows().count == 2)
    }

    @Test func flowsOfAnotherZoneAreDeletedThere() throws {
        try Self.conntrack([
            "-I", "-p", "udp", "-t", "600", "-s", "192.0.2.1", "-d", "10.1.0.1", "--sport", "1", "--dport", "53",
            "--zone", "7",
        ])
        var filter = FlowFilter()
        filter.addFlows(.udp, to: try Self.end("10.1.0.1", 53))
        var tracker = try Tracker.open()
        #expect(try tracker.deleteFlows(matching: filter) == 1)
        #expect(try Self.flows().isEmpty)
    }

    @Test(arguments: ["127.0.0.1", "::1"])
    func realPacketsGoTheNewWayAfterwards(loopback: String) throws {
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
            return servers.firstIndex { $0.receive(milliseconds: 300) == text }
        }
        try publish(7001)
        #expect(reached("one") == 0)
        try publish(7002)
        // The kernel remembers.
        #expect(reached("two") == 0)
        var filter = FlowFilter()
        filter.addFlows(.udp, toPublished: 5300, at: nil, exceptTo: try Self.end(loopback, 7002))
        var tracker = try Tracker.open()
        #expect(try tracker.deleteFlows(matching: filter) == 1)
        #expect(reached("three") == 1)
        #expect(try tracker.deleteFlows(matching: filter) == 0)
        #expect(reached("four") == 1)
    }

    @Test func theSocketStaysInTheNamespaceWhereItWasOpened() throws {
        try Self.addFlow(to: ("10.1.0.1", 53))
        let container = try ContainerNamespace()
        var filter = FlowFilter()
        filter.addFlows(.udp, to: try Self.end("10.1.0.1", 53))
        var inside = try container.perform { () throws(NetlinkError) in try Tracker.open() }
        #expect(try inside.deleteFlows(matching: filter) == 0)
        #expect(try Self.flows().count == 1)
        var tracker = try Tracker.open()
        #expect(try container.inside { try tracker.deleteFlows(matching: filter) } == 1)
        #expect(try Self.flows().isEmpty)
    }
}
