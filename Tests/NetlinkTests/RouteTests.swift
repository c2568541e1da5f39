// SPDX-License-Identifier: Apache-2.0

import Addressing
import Linux
import Support
import Testing

@testable import Netlink

/// Routes of the kernel.
@Suite(.ownNetworkNamespace) struct RouteTests {
    /// An interface with an address of each family, over which gateways can be reached.
    private static func makeInterface(_ kernel: inout Kernel) throws -> UInt32 {
        let index = try kernel.makePair("a0", "b0")
        let own = try (prefix("10.22.0.7/16"), prefix("fd22::7/64"))
        try kernel.send {
            $0.addAddress(own.0, to: index)
            $0.addAddress(own.1, to: index)
        }
        return index
    }

    private static let destinations = [
        "0.0.0.0/0", "10.99.0.0/16", "10.99.0.1/32", "::/0", "fd99::/48", "fd99::1/128",
    ]

    @Test(arguments: destinations, [254, 100, 1001] as [UInt32])
    func aRouteIsReadAsItWasAddedUntilItIsDeleted(destination: String, table: UInt32) throws {
        var kernel = try Kernel.open()
        let gateway = destination.contains(":") ? "fd22::1" : "10.22.0.1"
        var route = Route(
            to: try prefix(destination),
            via: try address(gateway),
            interface: try Self.makeInterface(&kernel)
        )
        (route.mtu, route.advertisedMSS, route.priority, route.table) = (1400, 1360, 50, table)
        let own = route
        let family = route.destination.address.family
        try kernel.send { $0.addRoute(own) }
        #expect(try kernel.routes(family).filter { $0.destination == own.destination } == [own])
        let shown = try Programs.run("ip", "-d", family == .v4 ? "-4" : "-6", "route", "show", "table", "\(table)")
        #expect(shown.contains("via \(gateway) dev a0 proto boot"))
        for part in ["metric 50", "mtu 1400", "advmss 1360"] { #expect(shown.contains(part)) }
        try kernel.send { $0.deleteRoute(own) }
        #expect(try kernel.routes(family).allSatisfy { $0.destination != own.destination })
        #expect(kernel.refusal { $0.deleteRoute(own) }?.errno == .noSuchProcess)
    }

    @Test(arguments: [0, 253] as [UInt8]) func theScopeIsKept(scope: UInt8) throws {
        var kernel = try Kernel.open()
        var route = Route(to: try prefix("10.99.0.1/32"), interface: try Self.makeInterface(&kernel))
        route.scope = scope
        route.source = try address("10.22.0.7")
        let own = route
        try kernel.send { $0.addRoute(own) }
        #expect(try kernel.routes(.v4).filter { $0.destination == own.destination } == [own])
    }

    @Test func hostBitsOfTheDestinationAreLeftOut() throws {
        var kernel = try Kernel.open()
        let route = Route(to: try prefix("10.99.3.4/16"), interface: try Self.makeInterface(&kernel))
        try kernel.send { $0.addRoute(route) }
        #expect(try kernel.routes(.v4).contains { $0.destination.description == "10.99.0.0/16" })
    }

    @Test func withoutAPriorityTheKernelChooses() throws {
        var kernel = try Kernel.open()
        let index = try Self.makeInterface(&kernel)
        let routes = [
            Route(to: try prefix("10.99.0.0/16"), interface: index),
            Route(to: try prefix("fd99::/64"), interface: index),
        ]
        try kernel.send { batch in routes.forEach { batch.addRoute($0) } }
        #expect(try kernel.routes(.v4).first { $0.destination == routes[0].destination }?.priority == 0)
        #expect(try kernel.routes(.v6).first { $0.destination == routes[1].destination }?.priority == 1024)
    }

    @Test func theSameRouteTwiceIsAnErrorOfIPv4() throws {
        var kernel = try Kernel.open()
        let route = Route(
            to: try prefix("10.99.0.0/16"),
            via: try address("10.22.0.1"),
            interface: try Self.makeInterface(&kernel)
        )
        try kernel.send { $0.addRoute(route) }
        #expect(kernel.refusal { $0.addRoute(route) }?.errno == .fileExists)
    }

    @Test func aGatewayOutOfReachComesWithTheKernelsSentence() throws {
        var kernel = try Kernel.open()
        let route = Route(to: .defaultV4, via: try address("192.0.2.1"), interface: try Self.makeInterface(&kernel))
        let error = try #require(kernel.refusal { $0.addRoute(route) })
        #expect(error.operation == "add the route to 0.0.0.0/0")
        #expect(error.kernelText == "Nexthop has invalid gateway")
    }

    @Test func routesToTheHostItselfAreListedToo() throws {
        var kernel = try Kernel.open()
        _ = try Self.makeInterface(&kernel)
        // Table 255 is the kernel's own.
        #expect(try kernel.routes(.v4).contains { $0.table == 255 && $0.destination.description == "10.22.0.7/32" })
        #expect(try kernel.routes(.v6).contains { $0.table == 255 && $0.destination.description == "::1/128" })
    }
}
