// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// The network that podman gives to whoever asks for none.
extension PodmanTests {
    @Test func containersReachEachOtherTheHostAndTheWorld() throws {
        let first = try podman.run("first")
        let second = try podman.run("second")
        let address = try podman.network("second", "podman", "IPAddress")
        #expect(address.hasPrefix("10.88.0."))
        #expect(try podman.network("second", "podman", "Gateway") == "10.88.0.1")
        #expect(try Web.name(at: address, from: first) == "second")
        #expect(try Web.name(at: address, from: host.inside) == "second")
        #expect(try Exchange().from(second, to: "10.88.0.1", 8000, at: host.inside, 8000) == address)
        for transport in Exchange.Transport.allCases {
            let seen = try Exchange(transport: transport)
                .from(second, to: RuntimeHost.neighbour.v4, 8000, at: host.outside, 8000)
            #expect(seen == RuntimeHost.addresses.v4, "the world must see the host's address, over \(transport)")
        }
        try podman.remove("first", "second")
        try host.expectNothingLeft(since: before, but: ["cni-podman0"])
    }

    @Test func publishedPortsAreReachedFromEverywhere() throws {
        let server = try podman.run("server", ["-p", "8080:80", "-p", "5300:53/udp"])
        let other = try podman.run("other")
        let ways: [(String, Place, String)] = [
            ("outside", host.outside, RuntimeHost.addresses.v4), ("host", host.inside, RuntimeHost.addresses.v4),
            ("host, second address", host.inside, RuntimeHost.addresses.second), ("loopback", host.inside, "127.0.0.1"),
            ("neighbour", other, RuntimeHost.addresses.v4), ("hairpin", server, RuntimeHost.addresses.v4),
            ("neighbour by gateway", other, "10.88.0.1"),
        ]
        for (name, client, address) in ways {
            #expect(try Web.name(at: address, 8080, from: client) == "server", "tcp, \(name)")
            #expect(
                try Exchange(transport: .udp).from(client, to: address, 5300, at: server, 53) != nil,
                "udp, \(name)"
            )
        }
        // Whoever comes from outside is seen as who he is.
        let seen = try Exchange(transport: .udp).from(host.outside, to: RuntimeHost.addresses.v4, 5300, at: server, 53)
        #expect(seen == RuntimeHost.neighbour.v4)
        #expect(try Web.name(at: RuntimeHost.addresses.v4, 8081, from: host.outside) == nil)
        try podman.remove("server")
        for (name, client, address) in ways where name != "hairpin" {
            #expect(try Web.name(at: address, 8080, from: client) == nil, "after the end, \(name)")
        }
        try podman.remove("other")
        try host.expectNothingLeft(since: before, but: ["cni-podman0"])
    }

    @Test func rangesOfPortsAndAddressesOfTheHostAreKeptApart() throws {
        let server = try podman.run(
            "server",
            ["-p", "9000-9002:7000-7002", "-p", "\(RuntimeHost.addresses.second):8081:80", "-p", "127.0.0.1:8082:80"]
        )
        for offset in 0..<UInt16(3) {
            let seen = try Exchange()
                .from(host.outside, to: RuntimeHost.addresses.v4, 9000 + offset, at: server, 7000 + offset)
            #expect(seen == RuntimeHost.neighbour.v4, "port \(9000 + offset)")
        }
        #expect(try Web.name(at: RuntimeHost.addresses.second, 8081, from: host.outside) == "server")
        #expect(try Web.name(at: RuntimeHost.addresses.second, 8081, from: host.inside) == "server")
        #expect(try Web.name(at: RuntimeHost.addresses.v4, 8081, from: host.outside) == nil)
        #expect(try Web.name(at: "127.0.0.1", 8082, from: host.inside) == "server")
        #expect(try Web.name(at: RuntimeHost.addresses.v4, 8082, from: host.outside) == nil)
        #expect(try Web.name(at: RuntimeHost.addresses.v4, 8082, from: host.inside) == nil)
        try podman.remove("server")
        try host.expectNothingLeft(since: before, but: ["cni-podman0"])
    }

    @Test func aPortThatMovesToAnotherContainerTakesItsTalkersAlong() throws {
        var talk = Exchange(transport: .udp)
        talk.clientPort = 4000
        let first = try podman.run("first", ["-p", "5300:53/udp"])
        #expect(try talk.from(host.outside, to: RuntimeHost.addresses.v4, 5300, at: first, 53) != nil)
        try podman.remove("first")
        // Nobody has the port now; what the neighbour still sends must not make the kernel remember that.
        #expect(try talk.from(host.outside, to: RuntimeHost.addresses.v4, 5300, at: host.inside, 5300) != nil)
        let second = try podman.run("second", ["-p", "5300:53/udp"])
        #expect(try talk.from(host.outside, to: RuntimeHost.addresses.v4, 5300, at: second, 53) != nil)
        try podman.remove("second")
        try host.expectNothingLeft(since: before, but: ["cni-podman0"])
    }

    @Test func theChainThatWeShipIsThatNetworkAsWell() throws {
        let sample = try String(contentsOfFile: Samples.path("87-podman.conflist"), encoding: .utf8)
        try host.write(sample, to: "/run/net.d/87-podman.conflist")
        let listed = try podman("network", "inspect", "podman", "-f", "{{.NetworkInterface}}")
        #expect(listed == "cni-podman0")
        let server = try podman.run("server", ["-p", "8080:80"])
        #expect(try Web.name(at: RuntimeHost.addresses.v4, 8080, from: host.outside) == "server")
        let seen = try Exchange().from(server, to: RuntimeHost.neighbour.v4, 8000, at: host.outside, 8000)
        #expect(seen == RuntimeHost.addresses.v4)
        try podman.remove("server")
        try host.expectNothingLeft(since: before, but: ["cni-podman0"])
    }
}
