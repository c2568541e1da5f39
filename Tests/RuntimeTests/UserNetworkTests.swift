// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// Networks that a user of podman makes, removes, and attaches containers to while they run.
extension PodmanTests {
    @Test func aContainerHasTheAddressesThatItAskedFor() throws {
        try podman("network", "create", "--subnet", "10.77.0.0/24", "lan")
        let options = ["--network", "lan", "--ip", "10.77.0.50", "--mac-address", "02:00:00:00:77:50"]
        let fixed = try podman.run("fixed", options)
        #expect(try podman.network("fixed", "lan", "IPAddress") == "10.77.0.50")
        #expect(try podman.network("fixed", "lan", "MacAddress") == "02:00:00:00:77:50")
        let seen = try fixed.addresses(of: "eth0")
        #expect(seen.contains(#""local":"10.77.0.50""#) && seen.contains(#""address":"02:00:00:00:77:50""#))
        let other = try podman.run("other", ["--network", "lan"])
        #expect(try Web.name(at: "10.77.0.50", from: other) == "fixed")
        // The address is taken, and whoever wants it too is told so.
        let refused = try host.program(
            [
                "podman", "run", "--rm", "--network", "lan", "--ip", "10.77.0.50", Podman.image, "/bin/sh", "-c",
                "exit 0",
            ]
        ).run()
        #expect(refused.exitCode == 126 || refused.exitCode == 127, "\(refused.stderrText)")
        #expect(refused.stderrText.contains("10.77.0.50"), "\(refused.stderrText)")
        #expect(try Web.name(at: "10.77.0.50", from: other) == "fixed")
        try podman.remove("fixed", "other")
        try podman("network", "rm", "lan")
        try host.expectNothingLeft(since: before)
    }

    @Test func aContainerOnTwoNetworksIsReachedOnBoth() throws {
        try podman("network", "create", "--subnet", "10.77.0.0/24", "lan")
        try podman("network", "create", "--subnet", "10.79.0.0/24", "wan")
        // Both attachments are told of the same port.
        try podman.run("both", ["--network", "lan,wan", "-p", "8080:80"])
        let (lan, wan) = (try podman.run("lan", ["--network", "lan"]), try podman.run("wan", ["--network", "wan"]))
        #expect(try Web.name(at: try podman.network("both", "lan", "IPAddress"), from: lan) == "both")
        #expect(try Web.name(at: try podman.network("both", "wan", "IPAddress"), from: wan) == "both")
        for (name, place) in [("outside", host.outside), ("host", host.inside), ("lan", lan), ("wan", wan)] {
            #expect(try Web.name(at: RuntimeHost.addresses.v4, 8080, from: place) == "both", "from \(name)")
        }
        #expect(try Web.name(at: "127.0.0.1", 8080, from: host.inside) == "both")
        try podman.remove("both")
        #expect(try Web.name(at: RuntimeHost.addresses.v4, 8080, from: host.outside) == nil)
        try podman.remove("lan", "wan")
        try podman("network", "rm", "lan", "wan")
        try host.expectNothingLeft(since: before)
    }

    @Test func aRunningContainerIsConnectedAndDisconnected() throws {
        try podman("network", "create", "--subnet", "10.77.0.0/24", "lan")
        try podman("network", "create", "--subnet", "10.79.0.0/24", "wan")
        let walker = try podman.run("walker", ["--network", "lan", "-p", "8080:80"])
        // With a port as well, so that both bridges are as they will be.
        let other = try podman.run("other", ["--network", "wan", "-p", "8081:80"])
        let untouched = try host.state()
        try podman("network", "connect", "--ip", "10.79.0.70", "wan", "walker")
        #expect(try walker.addresses(of: "eth1").contains(#""local":"10.79.0.70""#))
        #expect(try Web.name(at: "10.79.0.70", from: other) == "walker")
        #expect(try Web.name(at: try podman.network("other", "wan", "IPAddress"), from: walker) == "other")
        try podman("network", "disconnect", "wan", "walker")
        #expect(try walker.addresses(of: "eth1") == "")
        #expect(try Web.name(at: RuntimeHost.addresses.v4, 8080, from: host.outside) == "walker")
        try host.expectNothingLeft(since: untouched)
        try podman.remove("walker", "other")
        try podman("network", "rm", "lan", "wan")
        try host.expectNothingLeft(since: before)
    }

    @Test func aReloadBringsBackWhatAFirewallThrewAway() throws {
        try podman("network", "create", "--ipv6", "--subnet", "10.78.0.0/24", "--subnet", "fd00:78::/64", "dual")
        let options = ["--network", "dual", "--ip", "10.78.0.200", "--ip6", "fd00:78::200", "-p", "8080:80"]
        let server = try podman.run("server", options)
        let hardware = try podman.network("server", "dual", "MacAddress")
        try host.run(["nft", "flush", "ruleset"])
        #expect(try Web.name(at: RuntimeHost.addresses.v4, 8080, from: host.outside) == nil)
        try podman("network", "reload", "server")
        // Podman asks for each of the addresses twice then.
        #expect(try podman.network("server", "dual", "IPAddress") == "10.78.0.200")
        #expect(try podman.network("server", "dual", "GlobalIPv6Address") == "fd00:78::200")
        #expect(try podman.network("server", "dual", "MacAddress") == hardware)
        #expect(try Web.name(at: RuntimeHost.addresses.v4, 8080, from: host.outside) == "server")
        #expect(try Web.name(at: RuntimeHost.addresses.v6, 8080, from: host.outside) == "server")
        let seen = try Exchange().from(server, to: RuntimeHost.neighbour.v4, 8000, at: host.outside, 8000)
        #expect(seen == RuntimeHost.addresses.v4)
        try podman.remove("server")
        try podman("network", "rm", "dual")
        try host.expectNothingLeft(since: before)
    }

    @Test func bothFamiliesArePublished() throws {
        try podman("network", "create", "--ipv6", "--subnet", "10.78.0.0/24", "--subnet", "fd00:78::/64", "dual")
        let server = try podman.run("server", ["--network", "dual", "-p", "8080:80", "-p", "5300:53/udp"])
        let other = try podman.run("other", ["--network", "dual"])
        #expect(try Web.name(at: try podman.network("server", "dual", "GlobalIPv6Address"), from: other) == "server")
        let ways: [(String, Place)] = [
            ("outside", host.outside), ("host", host.inside), ("neighbour", other), ("hairpin", server),
        ]
        for (name, client) in ways {
            for address in [RuntimeHost.addresses.v4, RuntimeHost.addresses.v6] {
                #expect(try Web.name(at: address, 8080, from: client) == "server", "tcp, \(name), \(address)")
                let answer = try Exchange(transport: .udp).from(client, to: address, 5300, at: server, 53)
                #expect(answer != nil, "udp, \(name), \(address)")
            }
        }
        for transport in Exchange.Transport.allCases {
            let seen = try Exchange(transport: transport)
                .from(server, to: RuntimeHost.neighbour.v6, 8000, at: host.outside, 8000)
            #expect(seen == RuntimeHost.addresses.v6, "the world must see the host's address, over \(transport)")
        }
        try podman.remove("server", "other")
        try podman("network", "rm", "dual")
        try host.expectNothingLeft(since: before)
    }

    @Test func anInternalNetworkLeadsNowhere() throws {
        try podman("network", "create", "--internal", "--subnet", "10.80.0.0/24", "hidden")
        let first = try podman.run("first", ["--network", "hidden"])
        try podman.run("second", ["--network", "hidden"])
        #expect(try Web.name(at: try podman.network("second", "hidden", "IPAddress"), from: first) == "second")
        #expect(try first.inside { try Programs.run("ip", "-j", "route", "show", "default") }.contains("dst") == false)
        let seen = try Exchange(limitMilliseconds: 1500)
            .from(first, to: RuntimeHost.neighbour.v4, 8000, at: host.outside, 8000)
        #expect(seen == nil)
        try podman.remove("first", "second")
        try podman("network", "rm", "hidden")
        try host.expectNothingLeft(since: before)
    }

    @Test func isolatedNetworksAreDeafToEachOther() throws {
        try podman("network", "create", "-o", "isolate=true", "--subnet", "10.81.0.0/24", "red")
        try podman("network", "create", "-o", "isolate=true", "--subnet", "10.82.0.0/24", "blue")
        let red = try podman.run("red", ["--network", "red", "-p", "8080:80"])
        let friend = try podman.run("friend", ["--network", "red"])
        let blue = try podman.run("blue", ["--network", "blue"])
        let address = try podman.network("red", "red", "IPAddress")
        #expect(try Web.name(at: address, from: friend) == "red")
        #expect(try Web.name(at: address, from: blue, seconds: 1) == nil)
        #expect(try Web.name(at: try podman.network("blue", "blue", "IPAddress"), from: red, seconds: 1) == nil)
        #expect(try Web.name(at: RuntimeHost.addresses.v4, 8080, from: host.outside) == "red")
        for place in [red, blue] {
            let seen = try Exchange().from(place, to: RuntimeHost.neighbour.v4, 8000, at: host.outside, 8000)
            #expect(seen == RuntimeHost.addresses.v4)
        }
        try podman.remove("red", "friend", "blue")
        try podman("network", "rm", "red", "blue")
        try host.expectNothingLeft(since: before)
    }
}
