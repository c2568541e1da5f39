// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// Real connections through a bridge network.
@Suite("Bridge: connections", .privateHost)
struct ConnectivityTests {
    private let host: Host
    private let first: ContainerNamespace
    private let second: ContainerNamespace

    init() throws {
        host = try Host()
        (first, second) = (try ContainerNamespace(), try ContainerNamespace())
    }

    private func connect(_ network: Value) throws {
        try host.add(network, in: first)
        try host.add(network, in: second, id: "c2")
    }

    private func reaches(_ from: ContainerNamespace?, _ address: String, of server: ContainerNamespace?) throws -> Bool
    {
        try Sockets.connects(
            to: address,
            server: { body in try server?.inside(body) ?? body() },
            client: { body in try from?.inside(body) ?? body() }
        )
    }

    @Test(arguments: Schema.versions)
    func containersReachEachOtherAndTheGatewayRightAfterAdd(version: String) throws {
        try connect(host.dualStack(version))
        for (own, other) in [("10.1.0.2", "10.1.0.3"), ("fd00:1::2", "fd00:1::3")] {
            #expect(try reaches(first, other, of: second), "container to \(other)")
            #expect(try reaches(second, own, of: first), "container to \(own)")
            #expect(try reaches(nil, own, of: first), "host to \(own)")
        }
        for gateway in ["10.1.0.1", "fd00:1::1"] { #expect(try reaches(first, gateway, of: nil)) }
    }

    @Test func afterDeleteNobodyIsReached() throws {
        try connect(host.dualStack())
        try host.call("DEL", host.dualStack(), in: second, id: "c2").run().succeeded()
        #expect(try !reaches(first, "10.1.0.3", of: second))
        #expect(try reaches(first, "10.1.0.1", of: nil))
    }

    @Test func isolatedPortsReachTheGatewayButNotEachOther() throws {
        try connect(host.dualStack(with: ["portIsolation": true]))
        #expect(try reaches(first, "10.1.0.1", of: nil))
        #expect(try reaches(first, "fd00:1::1", of: nil))
        #expect(try !reaches(first, "10.1.0.3", of: second))
    }

    @Test func theHostRoutesBetweenTwoBridges() throws {
        try host.add(host.dualStack(), in: first)
        let other = host.dualStack(with: [
            "name": "wan", "bridge": "br1", "ipam": host.ipam("10.2.0.0/24", "fd00:2::/64"),
        ])
        try host.add(other, in: second, id: "c2")
        #expect(try reaches(first, "10.2.0.2", of: second))
        #expect(try reaches(second, "fd00:1::2", of: first))
    }

    @Test func anAddressThatIsUsedAgainIsReachedAtOnce() throws {
        try connect(host.dualStack())
        for address in ["10.1.0.3", "fd00:1::3"] { #expect(try reaches(first, address, of: second)) }
        try host.call("DEL", host.dualStack(), in: second, id: "c2").run().succeeded()
        let third = try ContainerNamespace()
        let network = host.dualStack(with: ["runtimeConfig": ["ips": ["10.1.0.3", "fd00:1::3"]]])
        try host.add(network, in: third, id: "c3")
        #expect(try reaches(first, "10.1.0.3", of: third))
        #expect(try reaches(first, "fd00:1::3", of: third))
    }

    @Test func theLoopbackPluginMakesAContainerReachItself() throws {
        #expect(try !reaches(first, "127.0.0.1", of: first))
        try host.add(host.network("loopback"), in: first)
        #expect(try reaches(first, "127.0.0.1", of: first))
        #expect(try reaches(first, "::1", of: first))
    }
}
