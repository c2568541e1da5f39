// SPDX-License-Identifier: Apache-2.0

import Addressing
import Linux
import Support
import Testing

@testable import Netlink

/// Tunnels of the kernel, and the entries that lead into them.
@Suite(.ownNetworkNamespace) struct VXLANTests {
    private static let mac = MACAddress("02:00:c0:a8:09:02")

    /// An interface with an address of each family, and a tunnel over it.
    private static func makeTunnel(
        _ kernel: inout Kernel,
        local: String = "192.168.9.1",
        _ change: (inout VXLANSettings) -> Void = { _ in }
    ) throws -> Link {
        let underlay = try kernel.makePair("u0", "u1")
        let own = try (prefix("192.168.9.1/24"), prefix("fd09::1/64"))
        var tunnel = VXLANSettings(identifier: 42)
        (tunnel.port, tunnel.local, tunnel.underlay, tunnel.learns) = (8472, try address(local), underlay, false)
        change(&tunnel)
        let settings = tunnel
        try kernel.send {
            $0.addAddress(own.0, to: underlay)
            $0.addAddress(own.1, to: underlay)
            $0.addLink(NewLink(name: "vxlan.42", kind: .vxlan(settings), mac: mac, mtu: 1400, isUp: true))
        }
        return try kernel.existing("vxlan.42")
    }

    @Test(arguments: ["192.168.9.1", "fd09::1"]) func aTunnelIsReadAsItWasMade(local: String) throws {
        var kernel = try Kernel.open()
        let link = try Self.makeTunnel(&kernel, local: local) { $0.hopLimit = 9 }
        let underlay = try kernel.existing("u0").index
        #expect(link.kind == "vxlan")
        #expect(link.mac == Self.mac)
        #expect(link.mtu == 1400)
        #expect(link.isUp)
        let tunnel = try #require(link.vxlan)
        #expect(tunnel.identifier == 42)
        #expect(tunnel.port == 8472)
        #expect(try tunnel.local == address(local))
        #expect(tunnel.underlay == underlay)
        #expect(tunnel.learns == false)
        #expect(tunnel.hopLimit == 9)
        #expect(tunnel.group == nil)
        let shown = try Programs.run("ip", "-d", "link", "show", "vxlan.42")
        #expect(shown.contains("vxlan id 42 local \(local) dev u0"))
        #expect(shown.contains("dstport 8472 nolearning"))
    }

    @Test func whatTheKernelCanChangeIsChangedInPlace() throws {
        var kernel = try Kernel.open()
        let link = try Self.makeTunnel(&kernel)
        var change = VXLANSettings(identifier: 42)
        (change.local, change.learns) = (try address("192.168.9.7"), true)
        let settings = change
        try kernel.send { $0.setVXLAN("vxlan.42", settings) }
        let changed = try kernel.existing("vxlan.42")
        #expect(changed.index == link.index)
        #expect(try changed.vxlan?.local == address("192.168.9.7"))
        #expect(changed.vxlan?.learns == true)
        #expect(changed.vxlan?.port == 8472)
        change.port = 4789
        let other = change
        #expect(kernel.refusal { $0.setVXLAN("vxlan.42", other) }?.kernelText?.contains("port") == true)
    }

    @Test func aSecondTunnelOfTheSameNumberIsRefusedWithASentence() throws {
        var kernel = try Kernel.open()
        let first = try Self.makeTunnel(&kernel)
        var tunnel = VXLANSettings(identifier: 42)
        (tunnel.port, tunnel.underlay) = (8472, first.vxlan?.underlay)
        let settings = tunnel
        let refusal = kernel.refusal { $0.addLink(NewLink(name: "other", kind: .vxlan(settings))) }
        #expect(refusal?.errno == .fileExists)
        #expect(refusal?.kernelText?.contains("VNI already exists") == true)
    }

    @Test func entriesAreListedAsTheyWereSetAndGoAgain() throws {
        var kernel = try Kernel.open()
        let link = try Self.makeTunnel(&kernel)
        let mac = try #require(Self.mac)
        let zero = try #require(MACAddress("00:00:00:00:00:00"))
        let hosts = try (2...4).map { try address("192.168.9.\($0)") }
        let entries =
            [ForwardingEntry(mac, behind: hosts[0], on: link.index)]
            + hosts.map { ForwardingEntry(zero, behind: $0, on: link.index) }
        // Twice, because what is there already is no error.
        for _ in 0..<2 { try kernel.send { batch in entries.forEach { batch.setForwarding($0) } } }
        #expect(try Set(kernel.forwardingEntries(of: link.index)) == Set(entries))
        let moved = ForwardingEntry(mac, behind: hosts[2], on: link.index)
        try kernel.send {
            $0.setForwarding(moved)
            $0.deleteForwarding(entries[2])
        }
        #expect(try Set(kernel.forwardingEntries(of: link.index)) == [moved, entries[1], entries[3]])
        let shown = try Programs.run("bridge", "fdb", "show", "dev", "vxlan.42")
        #expect(shown.contains("\(mac) dst 192.168.9.4 self permanent"))
        try kernel.send { $0.deleteForwarding(moved) }
        #expect(kernel.refusal { $0.deleteForwarding(moved) }?.errno == .noSuchFile)
    }

    @Test func theGroupIsAnEntryOfTheKernel() throws {
        var kernel = try Kernel.open()
        let group = try address("239.1.1.1")
        let link = try Self.makeTunnel(&kernel) { $0.group = group }
        #expect(link.vxlan?.group == group)
        let entries = try kernel.forwardingEntries(of: link.index)
        #expect(entries.count == 1 && entries.allSatisfy { $0.isForUnknown && $0.destination == group })
    }

    @Test func theTablesOfTheDeviceAndOfItsBridgeAreToldApart() throws {
        var kernel = try Kernel.open()
        let link = try Self.makeTunnel(&kernel)
        var change = LinkChange()
        change.master = try kernel.makeBridge()
        let port = change
        let mac = try #require(MACAddress("02:00:00:00:00:63"))
        let entries = [
            ForwardingEntry(mac, behind: try address("192.168.9.2"), on: link.index),
            ForwardingEntry(mac, port: link.index),
        ]
        try kernel.send { batch in
            batch.setLink("vxlan.42", port)
            batch.setPort("vxlan.42", index: link.index, learns: false, suppressesNeighbours: true)
            entries.forEach { batch.setForwarding($0) }
        }
        let found = try kernel.forwardingEntries(of: link.index).filter { $0.mac == mac }
        #expect(Set(found) == Set(entries))
        let settings = try #require(try kernel.existing("vxlan.42").port)
        #expect(!settings.learns && settings.suppressesNeighbours)
        try kernel.send { $0.deleteForwarding(entries[1]) }
        #expect(try kernel.forwardingEntries(of: link.index).filter { $0.mac == mac } == [entries[0]])
    }

    @Test func routesOverTheTunnelAreOnLinkAndBearTheirMaker() throws {
        var kernel = try Kernel.open()
        let link = try Self.makeTunnel(&kernel)
        var route = Route(to: try prefix("10.5.2.0/24"), via: try address("10.5.2.0"), interface: link.index)
        (route.origin, route.isOnLink) = (92, true)
        var other = Route(to: try prefix("fd05:2::/64"), via: try address("fe80::2"), interface: link.index)
        (other.origin, other.priority) = (92, 1024)
        let routes = (route, other)
        try kernel.send {
            $0.setRoute(routes.0, replaces: false)
            $0.setRoute(routes.1, replaces: false)
        }
        #expect(try kernel.routes(.v4, origin: 92) == [route])
        #expect(try kernel.routes(.v6, origin: 92) == [other])
        #expect(try kernel.routes(.v4, origin: 93).isEmpty)
        let shown = try Programs.run("ip", "route", "show")
        #expect(shown.contains("10.5.2.0/24 via 10.5.2.0 dev vxlan.42 proto 92 onlink"))
        #expect(kernel.refusal { $0.setRoute(routes.0, replaces: false) }?.errno == .fileExists)
        route.gateway = try address("10.5.2.9")
        let replacing = route
        try kernel.send { $0.setRoute(replacing, replaces: true) }
        #expect(try kernel.routes(.v4, origin: 92) == [replacing])
    }

    @Test func neighboursBearTheirMaker() throws {
        var kernel = try Kernel.open()
        let link = try Self.makeTunnel(&kernel)
        for text in ["10.5.2.0", "fe80::2"] {
            var own = Neighbour(try address(text), mac: try #require(Self.mac), interface: link.index)
            own.origin = 92
            let neighbour = own
            try kernel.send { $0.replaceNeighbour(neighbour) }
            #expect(try kernel.neighbours(of: link.index).filter { $0.address == neighbour.address } == [neighbour])
        }
    }

    @Test func theAddressesOfAllInterfacesAreListed() throws {
        var kernel = try Kernel.open()
        let link = try Self.makeTunnel(&kernel)
        let own = try prefix("10.5.1.0/32")
        try kernel.send { $0.addAddress(own, to: link.index) }
        let found = try kernel.addresses()
        #expect(found.contains { $0.interface == link.index && $0.prefix == own })
        #expect(found.contains { $0.interface == 1 && $0.prefix.address.isLoopback })
    }
}
