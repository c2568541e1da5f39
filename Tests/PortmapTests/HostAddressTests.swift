// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// The key hostIP: addresses that stand for all of a family, those of the loopback, and those of the wrong family.
@Suite("Host addresses", .ownNetworkNamespace)
struct HostAddressTests {
    private func reaches(
        _ topology: Topology,
        _ target: String,
        _ port: Int,
        _ path: Topology.Path,
        in number: Int = 0,
        milliseconds: Int = 60
    ) throws -> Bool {
        let isV6 = target.contains(":")
        let server = try topology.server(.tcp, in: number, isV6: isV6, port: 80)
        return try server.contact(target, port, from: topology.place(path), milliseconds: milliseconds).isAnswered
    }

    @Test(arguments: Backend.allCases) func theUnspecifiedAddressesStandForTheirFamilies(backend: Backend) throws {
        let topology = try Topology()
        let mappings = [
            Mapping(8004, 80, on: "0.0.0.0"), Mapping(8006, 80, on: "::"), Mapping(8127, 80, on: "127.0.0.1"),
        ]
        let publication = topology.publication(backend, of: 0, mappings)
        try publication.call("ADD")
        for path in [Topology.Path.outside, .host, .neighbour, .hairpin] {
            #expect(try reaches(topology, "192.0.2.1", 8004, path, milliseconds: InternetSocket.patience), "\(path)")
            #expect(try reaches(topology, "2001:db8::1", 8006, path, milliseconds: InternetSocket.patience), "\(path)")
            #expect(try !reaches(topology, "2001:db8::1", 8004, path), "\(path)")
            #expect(try !reaches(topology, "192.0.2.1", 8006, path), "\(path)")
            #expect(try !reaches(topology, "192.0.2.1", 8127, path), "\(path)")
        }
        #expect(try reaches(topology, "127.0.0.1", 8127, .loopback, milliseconds: InternetSocket.patience))
        #expect(try reaches(topology, "127.0.0.1", 8004, .loopback, milliseconds: InternetSocket.patience))
        #expect(try !reaches(topology, "127.0.0.1", 8006, .loopback))
    }

    @Test(arguments: Backend.allCases) func aPortOfTheLoopbackIsNoneOfTheNeighbours(backend: Backend) throws {
        let topology = try Topology()
        try topology.publication(backend, of: 0, [Mapping(8127, 80, on: "127.0.0.1")]).call("ADD")
        try topology.containers[1].inside {
            try Programs.run("ip", "route", "add", "127.0.0.1/32", "via", "10.88.0.1", "table", "7")
            try Programs.run("ip", "rule", "add", "pref", "1", "to", "127.0.0.1", "lookup", "7")
            try Programs.run("ip", "rule", "add", "pref", "1000", "lookup", "local")
            try Programs.run("ip", "rule", "del", "pref", "0")
            try "1".write(toFile: "/proc/sys/net/ipv4/conf/eth0/route_localnet", atomically: false, encoding: .ascii)
        }
        #expect(try reaches(topology, "127.0.0.1", 8127, .loopback, milliseconds: InternetSocket.patience))
        #expect(try !reaches(topology, "127.0.0.1", 8127, .neighbour))
    }

    @Test(arguments: Backend.allCases) func theSamePortOfOtherAddressesIsFree(backend: Backend) throws {
        let topology = try Topology()
        let first = topology.publication(backend, of: 0, [Mapping(8080, 80, on: "192.0.2.1"), Mapping(9090, 80)])
        let second = topology.publication(
            backend,
            of: 1,
            [Mapping(8080, 80, on: "10.88.0.1"), Mapping(8080, 80, on: "127.0.0.1"), Mapping(9090, 80, "udp")]
        )
        try first.call("ADD")
        try second.call("ADD")
        #expect(try reaches(topology, "192.0.2.1", 8080, .outside, milliseconds: InternetSocket.patience))
        #expect(try !reaches(topology, "192.0.2.1", 8080, .outside, in: 1))
        #expect(try reaches(topology, "10.88.0.1", 8080, .host, in: 1, milliseconds: InternetSocket.patience))
        #expect(try reaches(topology, "127.0.0.1", 8080, .loopback, in: 1, milliseconds: InternetSocket.patience))
        #expect(try reaches(topology, "192.0.2.1", 9090, .outside, milliseconds: InternetSocket.patience))
    }

    @Test(arguments: Backend.allCases, [true, false])
    func aMappingForOneAddressGoesBeforeOneForAll(backend: Backend, wideComesFirst: Bool) throws {
        let topology = try Topology()
        let wide = topology.publication(backend, of: 0, [Mapping(8080, 80)])
        let narrow = topology.publication(backend, of: 1, [Mapping(8080, 80, on: "192.0.2.1")])
        for publication in wideComesFirst ? [wide, narrow] : [narrow, wide] { try publication.call("ADD") }
        #expect(try reaches(topology, "192.0.2.1", 8080, .outside, in: 1, milliseconds: InternetSocket.patience))
        #expect(try reaches(topology, "10.88.0.1", 8080, .host, milliseconds: InternetSocket.patience))
        try narrow.call("DEL")
        #expect(try reaches(topology, "192.0.2.1", 8080, .outside, milliseconds: InternetSocket.patience))
    }

    @Test(arguments: Backend.allCases, [nil, "192.0.2.1"])
    func whereTheContainerStillIsThePortLeads(backend: Backend, hostIP: String?) throws {
        let topology = try Topology()
        // To the plugin, the second container is the first one on another network.
        let mappings = [Mapping(8080, 80, on: hostIP)]
        let first = topology.publication(backend, of: 0, mappings)
        let second = topology.publication(backend, of: 1, mappings).with { ($0.id, $0.network) = ("c1", "wan") }
        for (leaver, rest) in [(first, 1), (second, 0)] {
            try first.call("ADD")
            try second.call("ADD")
            #expect(
                try eventually { try [0, 1].contains { try reaches(topology, "192.0.2.1", 8080, .outside, in: $0) } }
            )
            try leaver.call("DEL")
            #expect(try reaches(topology, "192.0.2.1", 8080, .outside, in: rest, milliseconds: InternetSocket.patience))
            for publication in [first, second] { try publication.call("DEL") }
            #expect(try !reaches(topology, "192.0.2.1", 8080, .outside, in: rest))
        }
    }

    @Test(arguments: Backend.allCases, ["2001:db8::1", "::", "::1"])
    func anAddressOfTheOtherFamilyIsPassedOver(backend: Backend, hostIP: String) throws {
        let before = try Rules()
        let publication = Publication(backend, [Mapping(8080, 80, on: hostIP)]).with { $0.addresses = ["10.88.0.2/24"] }
        let result = try publication.call("ADD")
        #expect(result.contains("10.88.0.2/24"))
        #expect(try Rules() == before)
        // The others are mapped all the same.
        let mixed = publication.with { $0.mappings = [Mapping(8080, 80, on: hostIP), Mapping(8081, 81)] }
        try mixed.call("ADD")
        #expect(try Rules().contains("8081"))
        #expect(try !Rules().contains("8080"))
    }
}
