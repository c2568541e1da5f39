// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// Which containers reach which others.
@Suite("Ingress policies", .ownNetworkNamespace)
struct IngressPolicyTests {
    private static func key(_ policy: String) -> String { #","ingressPolicy":"\#(policy)""# }

    /// Expects that some reach others and some don't; nothing in place of a number is the other host.
    private func expect(
        _ host: Neighbourhood,
        _ pairs: [(from: Int?, to: Int?, isOpen: Bool)],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        for isV6 in [false, true] {
            for pair in pairs {
                let found = try host.reaches(pair.from, pair.to, isV6: isV6, isWanted: pair.isOpen)
                let said: Comment = "\(String(describing: pair)), IPv6 \(isV6)"
                #expect(found == pair.isOpen, said, sourceLocation: sourceLocation)
            }
        }
    }

    @Test(arguments: ["", "open"]) func openIsTheDefault(policy: String) throws {
        let host = try Neighbourhood()
        for number in 0..<3 { try host.firewall(number, Self.key(policy)).call("ADD") }
        try expect(host, [(0, 1, true), (0, 2, true), (2, 0, true), (0, nil, true), (nil, 0, true)])
        #expect(try PacketFilter().isEmpty)
    }

    @Test(arguments: [true, false], [nil, "nftables", "iptables"])
    func sameBridgeKeepsBridgesApart(bridgedPacketsAreFiltered: Bool, backend: String?) throws {
        let host = try Neighbourhood(bridgedPacketsAreFiltered: bridgedPacketsAreFiltered)
        let before = try PacketFilter()
        let keys = Self.key("same-bridge") + (backend.map { #","backend":"\#($0)""# } ?? "")
        let calls = (0..<3).map { host.firewall($0, keys) }
        for call in calls { try call.call("ADD") }
        for call in calls { try call.call("CHECK") }
        try expect(
            host,
            [
                (0, 1, true), (1, 0, true), (0, 2, false), (2, 1, false), (0, nil, true), (2, nil, true),
                (nil, 0, true),
                (nil, 2, true),
            ]
        )
        for call in calls { try call.call("DEL") }
        #expect(try PacketFilter() == before)
        try expect(host, [(0, 2, true), (2, 0, true)])
    }

    @Test(arguments: [true, false]) func isolatedKeepsContainersApart(bridgedPacketsAreFiltered: Bool) throws {
        let host = try Neighbourhood(bridgedPacketsAreFiltered: bridgedPacketsAreFiltered)
        let calls = (0..<3).map { host.firewall($0, Self.key("isolated")) }
        for call in calls { try call.call("ADD") }
        for call in calls { try call.call("CHECK") }
        try expect(
            host,
            [
                (0, 1, false), (1, 0, false), (0, 2, false), (2, 1, false), (0, nil, true), (nil, 0, true),
                (2, nil, true),
            ]
        )
        // A published port is reached from outside, and not from the other bridge.
        try host.publish(2, 8080)
        #expect(try host.reaches(nil, 2, port: 8080, isWanted: true))
        #expect(try !host.reaches(0, 2, port: 8080, isWanted: false))
        for call in calls { try call.call("DEL") }
        try expect(host, [(0, 2, true), (2, 0, true)])
    }

    @Test(arguments: ["same-bridge", "isolated"]) func publishedPortsAreReachedFromOutside(policy: String) throws {
        let host = try Neighbourhood()
        for number in 0..<3 { try host.firewall(number, Self.key(policy)).call("ADD") }
        try host.publish(0, 8080)
        try host.publish(2, 8081)
        for isV6 in [false, true] {
            #expect(try host.reaches(nil, 0, isV6: isV6, port: 8080, isWanted: true))
            #expect(try host.reaches(nil, 2, isV6: isV6, port: 8081, isWanted: true))
            #expect(try !host.reaches(0, 2, isV6: isV6, port: 8081, isWanted: false))
        }
    }

    @Test func aBridgeWithoutPolicyIsOpen() throws {
        let host = try Neighbourhood()
        for number in 0..<2 { try host.firewall(number, Self.key("same-bridge")).call("ADD") }
        try host.firewall(2).call("ADD")
        try expect(host, [(0, 2, true), (2, 0, true), (0, 1, true)])
    }

    @Test func aPolicyPassesNoForeignDrop() throws {
        let host = try Neighbourhood()
        for program in ["iptables", "ip6tables"] { try Programs.run(program, "-P", "FORWARD", "DROP") }
        let before = try PacketFilter()
        let calls = (0..<3).map { host.firewall($0, Self.key("same-bridge")) }
        for call in calls { try call.call("ADD") }
        try expect(host, [(0, nil, true), (0, 2, false), (2, 0, false)])
        for call in calls { try call.call("CHECK") }
        for call in calls { try call.call("DEL") }
        #expect(try PacketFilter() == before)
    }

    @Test(arguments: [("same-bridge", "isolated"), ("isolated", "same-bridge")])
    func twoPoliciesForOneBridgeAreRefused(first: String, second: String) throws {
        let host = try Neighbourhood()
        try host.firewall(0, Self.key(first)).call("ADD")
        let before = try PacketFilter()
        let failure = try host.firewall(1, Self.key(second)).failure("ADD")
        #expect(failure.code == 104 && failure.text.contains("br0 has another ingress policy"), "\(failure)")
        #expect(try PacketFilter() == before)
        try host.firewall(1, Self.key(second)).call("DEL")
        #expect(try PacketFilter() == before)
        try host.firewall(0, Self.key(first)).call("CHECK")
        // Another bridge may have it, and the same one afterwards.
        try host.firewall(2, Self.key(second)).call("ADD")
        try host.firewall(0, Self.key(first)).call("DEL")
        try host.firewall(1, Self.key(second)).call("ADD")
        try host.firewall(1, Self.key(second)).call("CHECK")
    }

    @Test func theTableIsWhatTheReadmeSays() throws {
        let host = try Neighbourhood()
        for number in 0..<3 { try host.firewall(number, Self.key(number < 2 ? "isolated" : "same-bridge")).call("ADD") }
        expectGolden("nftables/firewall-policies.txt", try PacketFilter().nftables + "\n")
        try host.firewall(0).call("DEL")
        try host.firewall(2).call("DEL")
        expectGolden("nftables/firewall-second.txt", try PacketFilter().nftables + "\n")
    }

    @Test func whatAllShareGoesWithTheLast() throws {
        let host = try Neighbourhood()
        let calls = (0..<3).map { host.firewall($0, Self.key("same-bridge")) }
        for call in calls { try call.call("ADD") }
        try calls[0].call("DEL")
        try expect(host, [(1, 2, false), (2, 1, false)])
        try calls[1].call("CHECK")
        try calls[1].call("DEL")
        let rules = try PacketFilter()
        #expect(!rules.contains("\"br0\"") && rules.contains("\"br1\""), "\(rules)")
        try calls[2].call("CHECK")
        try calls[2].call("DEL")
        #expect(try PacketFilter().isEmpty)
    }

    @Test(arguments: ["br'0", "br.0", "0", "tcp", "br0-1"]) func aBridgeMayHaveAnyName(bridge: String) throws {
        let call = PluginCall("firewall", Self.key("same-bridge")).with {
            $0.previous = PluginCall.result(["10.88.0.2/24"], bridge: bridge)
        }
        let other = call.with { $0.id = "c2" }
        try call.call("ADD")
        #expect(try PacketFilter().contains("\"\(bridge)\""))
        try call.call("CHECK")
        try other.call("ADD")
        try call.call("DEL")
        try other.call("CHECK")
        try other.call("DEL")
        #expect(try PacketFilter().isEmpty)
    }
}
