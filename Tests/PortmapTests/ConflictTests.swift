// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// Two attachments that want the same port of the host.
@Suite("Taken ports", .ownNetworkNamespace)
struct ConflictTests {
    private static func other(_ publication: Publication) -> Publication {
        publication.with { ($0.id, $0.addresses) = ("c2", ["10.88.0.3/24", "fd88::3/64"]) }
    }

    @Test(arguments: Backend.allCases, [nil, "192.0.2.1", "2001:db8::1", "0.0.0.0", "::"])
    func theSecondIsRefusedWithTheNameOfTheHolder(backend: Backend, hostIP: String?) throws {
        let first = Publication(backend, [Mapping(8079, 79), Mapping(8080, 80, on: hostIP)])
        try first.call("ADD")
        let before = try Rules()
        let second = Self.other(first).with { $0.mappings = [Mapping(7000, 70), Mapping(8080, 81, on: hostIP)] }
        let failure = try second.failure("ADD")
        #expect(failure.code == 108, "\(failure)")
        for part in ["8080", "lan", "c1"] { #expect(failure.text.contains(part), "\(failure)") }
        if backend == .nftables { #expect(failure.text.contains("lan/c1/eth0"), "\(failure)") }
        #expect(try Rules() == before)
        // Once the holder has gone, the port is free.
        try first.call("DEL")
        try second.call("ADD")
        #expect(try Rules().contains("8080"))
        try second.call("DEL")
        #expect(try Rules().isEmpty)
    }

    @Test(arguments: Backend.allCases) func aContainerOfAnotherNetworkIsAHolderToo(backend: Backend) throws {
        let first = Publication(backend, [Mapping(8080, 80)])
        try first.call("ADD")
        let before = try Rules()
        let failure = try Self.other(first).with { $0.network = "wan" }.failure("ADD")
        #expect(failure.code == 108, "\(failure)")
        #expect(failure.text.contains("lan"), "\(failure)")
        #expect(try Rules() == before)
    }

    @Test(arguments: Backend.allCases) func aContainerOnTwoNetworksHasItsPortOnBoth(backend: Backend) throws {
        let first = Publication(backend, [Mapping(8080, 80)])
        let second = first.with { publication in
            (publication.network, publication.interface) = ("wan", "eth1")
            publication.addresses = ["10.99.0.2/24", "fd99::2/64"]
        }
        for (leaver, stayer) in [(first, second), (second, first)] {
            try first.call("ADD")
            try second.call("ADD")
            try leaver.call("DEL")
            #expect(try Rules().contains("8080"))
            try stayer.call("CHECK")
            try stayer.call("DEL")
            #expect(try Rules().isEmpty)
        }
    }

    @Test(arguments: Backend.allCases) func anotherProtocolIsAnotherPort(backend: Backend) throws {
        let first = Publication(backend, [Mapping(8080, 80, "tcp")])
        try first.call("ADD")
        try Self.other(first).with { $0.mappings = [Mapping(8080, 80, "udp"), Mapping(8080, 80, "sctp")] }.call("ADD")
        let rules = try Rules()
        for transport in Transport.allCases { #expect(rules.contains(transport.rawValue), "\(rules)") }
        try first.call("CHECK")
    }

    @Test(arguments: Backend.allCases) func theSameAttachmentOnceMoreTakesItsOwnPlace(backend: Backend) throws {
        let publication = Publication(backend, [Mapping(8080, 80), Mapping(8081, 81)])
        try publication.call("ADD")
        let once = try Rules()
        try publication.call("ADD")
        #expect(try Rules() == once)
        try publication.with { $0.mappings = [Mapping(8080, 90)] }.call("ADD")
        #expect(try !Rules().contains("8081"))
        #expect(try Rules().contains("8080"))
        try publication.call("DEL")
        #expect(try Rules().isEmpty)
    }

    @Test(arguments: Backend.allCases) func aDeadHolderWhoseAddressWasGivenAwayYields(backend: Backend) throws {
        let dead = Publication(backend, [Mapping(8080, 80)])
        try dead.call("ADD")
        let heir = dead.with { $0.id = "c2" }
        try heir.call("ADD")
        #expect(try Rules().contains("8080"))
        // The late DEL of the dead one takes nothing from its heir.
        let before = try Rules()
        try dead.call("DEL")
        #expect(try Rules() == before)
        try heir.call("DEL")
        #expect(try Rules().isEmpty)
    }

    @Test(arguments: Backend.allCases) func ofAManyAtOnceOneGetsThePort(backend: Backend) throws {
        let all = (0..<12).map { number in
            Publication(backend, [Mapping(8080, 80)]).with {
                ($0.id, $0.addresses) = ("c\(number)", ["10.88.0.\(number + 2)/24"])
            }
        }
        let running = try all.map { try $0.process("ADD").start() }
        let outcomes = try running.map { try $0.finish() }
        #expect(outcomes.count { $0.exitCode == 0 } == 1)
        for outcome in outcomes where outcome.exitCode != 0 {
            #expect(outcome.stdoutText.contains("108"), "\(outcome.stdoutText)")
        }
        for publication in all { try publication.call("DEL") }
        #expect(try Rules().isEmpty)
    }
}
