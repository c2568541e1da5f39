// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// Whose address the container sees, and who is let in: snat, masqAll, marks and conditions.
@Suite("Masquerading", .ownNetworkNamespace)
struct MasqueradeTests {
    private typealias Path = Topology.Path

    /// How a client fares that reaches for port 8080 of the host.
    private func contact(
        _ topology: Topology,
        _ path: Path,
        isV6: Bool = false,
        milliseconds: Int = 80
    ) throws -> Contact {
        let server = try topology.server(.udp, in: 0, isV6: isV6, port: 80)
        let target = path == .loopback ? "127.0.0.1" : Topology.addresses[isV6 ? 1 : 0]
        return try server.contact(target, 8080, from: topology.place(path), milliseconds: milliseconds)
    }

    private func publish(
        _ topology: Topology,
        _ backend: Backend?,
        _ more: String,
        of number: Int = 0
    ) throws -> Publication {
        let publication = topology.publication(backend, of: number, [Mapping(8080, 80, "udp")]).with { $0.more = more }
        try publication.call("ADD")
        return publication
    }

    @Test(arguments: Backend.allCases, [true, false])
    func onlyThoseWhoNeedItAreMasqueraded(backend: Backend, bridgedPacketsAreFiltered: Bool) throws {
        let topology = try Topology(bridgedPacketsAreFiltered: bridgedPacketsAreFiltered)
        _ = try publish(topology, backend, "")
        for isV6 in [false, true] {
            let (gateway, client) = isV6 ? ("fd88::1", "2001:db8::2") : ("10.88.0.1", "192.0.2.2")
            for (path, source) in [(Path.outside, client), (.hairpin, gateway), (.neighbour, gateway)] {
                let contact = try contact(topology, path, isV6: isV6, milliseconds: InternetSocket.patience)
                #expect(contact.isAnswered, "\(path), IPv6 \(isV6)")
                // What the bridge itself translates back may come from the neighbour's own address.
                if path == .neighbour, bridgedPacketsAreFiltered { continue }
                #expect(contact.source == source, "\(path), IPv6 \(isV6)")
            }
        }
        #expect(
            try contact(topology, .loopback, milliseconds: InternetSocket.patience)
                == Contact(source: "10.88.0.1", isAnswered: true)
        )
    }

    @Test(arguments: Backend.allCases) func everybodyIsIfThatIsWanted(backend: Backend) throws {
        let topology = try Topology()
        _ = try publish(topology, backend, #","masqAll":true"#)
        for isV6 in [false, true] {
            for path in [Path.outside, .host, .hairpin, .neighbour] {
                let contact = try contact(topology, path, isV6: isV6, milliseconds: InternetSocket.patience)
                #expect(contact == Contact(source: isV6 ? "fd88::1" : "10.88.0.1", isAnswered: true), "\(path)")
            }
        }
        #expect(try contact(topology, .loopback, milliseconds: InternetSocket.patience).isAnswered)
    }

    @Test(arguments: Backend.allCases) func nobodyIsIfThatIsWanted(backend: Backend) throws {
        // What goes from one port of a bridge to another without an interface in between is nobody's to translate back.
        let topology = try Topology(bridgedPacketsAreFiltered: false)
        _ = try publish(topology, backend, #","snat":false"#)
        let outside = try contact(topology, .outside, milliseconds: InternetSocket.patience)
        #expect(outside == Contact(source: "192.0.2.2", isAnswered: true))
        #expect(try contact(topology, .neighbour, milliseconds: 3000) == Contact(source: "10.88.0.3"))
        #expect(try !contact(topology, .hairpin).isAnswered)
        #expect(try contact(topology, .loopback) == .none)
        #expect(try !Rules().contains("MASQ"))
    }

    @Test func theMarkIsTheOneThatIsConfigured() throws {
        let topology = try Topology()
        let before = try Rules()
        let publication = try publish(topology, .iptables, #","markMasqBit":7"#)
        let rules = try Rules()
        #expect(
            rules.contains(
                "-A CNI-HOSTPORT-SETMARK -m comment --comment \"CNI portfwd masquerade mark\" -j MARK --set-xmark 0x80/0x80"
            )
        )
        #expect(rules.contains("-A CNI-HOSTPORT-MASQ -m mark --mark 0x80/0x80 -j MASQUERADE"))
        #expect(!rules.contains("0x2000"))
        #expect(try contact(topology, .hairpin, milliseconds: InternetSocket.patience).source == "10.88.0.1")
        try publication.call("CHECK")
        try publication.call("DEL")
        #expect(try Rules() == before)
    }

    @Test func aChainOfSomebodyElseMaySetTheMark() throws {
        let topology = try Topology()
        for program in ["iptables", "ip6tables"] {
            try Programs.run(program, "-t", "nat", "-N", "THEIR-MARKS")
            try Programs.run(program, "-t", "nat", "-A", "THEIR-MARKS", "-j", "MARK", "--set-xmark", "0x4000/0x4000")
            try Programs.run(
                program,
                "-t",
                "nat",
                "-A",
                "POSTROUTING",
                "-m",
                "mark",
                "--mark",
                "0x4000/0x4000",
                "-j",
                "MASQUERADE"
            )
        }
        let before = try Rules()
        let publication = try publish(topology, nil, #","externalSetMarkChain":"THEIR-MARKS""#)
        let rules = try Rules()
        #expect(rules.contains("-j THEIR-MARKS"))
        #expect(!rules.contains("CNI-HOSTPORT-MASQ"))
        #expect(!rules.contains("CNI-HOSTPORT-SETMARK"))
        for isV6 in [false, true] {
            let contact = try contact(topology, .hairpin, isV6: isV6, milliseconds: InternetSocket.patience)
            #expect(contact == Contact(source: isV6 ? "fd88::1" : "10.88.0.1", isAnswered: true))
        }
        try publication.call("CHECK")
        try publication.call("DEL")
        #expect(try Rules() == before)
    }

    private static let conditions: [Backend: String] = [
        .nftables: #","conditionsV4":["ip","saddr","192.0.2.2"],"conditionsV6":["ip6","saddr","2001:db8::2"]"#,
        .iptables: #","conditionsV4":["-s","192.0.2.2/32"],"conditionsV6":["-s","2001:db8::2/128"]"#,
    ]

    @Test(arguments: Backend.allCases, [true, false])
    func onlyWhoFulfilsTheConditionsIsLetIn(backend: Backend, isNamed: Bool) throws {
        let topology = try Topology()
        let before = try Rules()
        let publication = try publish(topology, isNamed ? backend : nil, Self.conditions[backend] ?? "")
        // The conditions of one container are not those of another.
        let other = topology.publication(backend, of: 1, [Mapping(8081, 81)])
        try other.call("ADD")
        for isV6 in [false, true] {
            #expect(try contact(topology, .outside, isV6: isV6, milliseconds: InternetSocket.patience).isAnswered)
            #expect(try contact(topology, .neighbour, isV6: isV6) == .none)
            #expect(try contact(topology, .host, isV6: isV6) == .none)
            let server = try topology.server(.tcp, in: 1, isV6: isV6, port: 81)
            for path in [Path.outside, .host, .hairpin] {
                #expect(
                    try server.contact(Topology.addresses[isV6 ? 1 : 0], 8081, from: topology.place(path)).isAnswered
                )
            }
        }
        try publication.call("CHECK")
        try publication.call("DEL")
        try other.call("DEL")
        #expect(try Rules() == before)
    }

    @Test(arguments: [
        (Backend.nftables, #","conditionsV4":["ip","sadr","192.0.2.2"]"#),
        (.iptables, #","conditionsV4":["--no-such-option","x"]"#),
    ])
    func conditionsThatThePacketFilterRefusesAreNamed(backend: Backend, members: String) throws {
        let before = try Rules()
        let publication = Publication(backend, [Mapping(8080, 80)]).with { $0.more = members }
        let failure = try publication.failure("ADD")
        #expect(failure.code == 104, "\(failure)")
        #expect(failure.text.contains(backend == .nftables ? "sadr" : "no-such-option"), "\(failure)")
        #expect(try Rules() == before)
    }
}
