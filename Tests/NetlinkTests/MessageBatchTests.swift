// SPDX-License-Identifier: Apache-2.0

import Addressing
import Support
import Testing

@testable import Netlink

/// A batch of messages and the name of its golden file.
struct MessageCase: CustomTestStringConvertible, Sendable {
    let name: String
    let build: @Sendable (inout MessageBatch) -> Void

    init(_ name: String, _ build: @escaping @Sendable (inout MessageBatch) -> Void) {
        self.name = name
        self.build = build
    }

    var testDescription: String { name }
}

/// The bytes of messages, against files that a reviewer can hold against the kernel's headers.
@Suite struct MessageBatchTests {
    private static let mac = MACAddress("02:00:0a:16:00:07")

    private static func prefix(_ text: String) -> Prefix { Prefix(text) ?? .defaultV4 }

    private static func route(_ text: String, via: String?, _ change: (inout Route) -> Void) -> Route {
        var route = Route(to: prefix(text), via: via.flatMap { IPAddress($0) }, interface: 7)
        change(&route)
        return route
    }

    /// A tunnel with all that IPv4 has.
    private static let tunnel: VXLANSettings = {
        var tunnel = VXLANSettings(identifier: 42)
        (tunnel.port, tunnel.local, tunnel.underlay) = (8472, IPAddress("192.168.9.1"), 2)
        (tunnel.group, tunnel.learns, tunnel.isProxy) = (IPAddress("239.1.1.1"), false, true)
        (tunnel.hopLimit, tunnel.trafficClass, tunnel.hasChecksum) = (16, 8, true)
        tunnel.fragmentation = .inherited
        return tunnel
    }()
    /// Puts the removal of all flows of a filter into a batch.
    private static func delete(in batch: inout MessageBatch, _ fill: (inout FlowFilter) -> Void) {
        var filter = FlowFilter()
        fill(&filter)
        for selection in filter.selections {
            for pattern in selection.patterns ?? [] { batch.deleteFlows(pattern, selection.family) }
        }
    }

    private static let cases = [
        MessageCase("link-veth") { batch in
            let peer = VethPeer(name: "eth0", mac: mac, mtu: 1450, namespace: 9)
            batch.addLink(
                NewLink(name: "veth1a2b3c4d5e6", kind: .veth(peer: peer), mac: mac, mtu: 1450, master: 3, isUp: true)
            )
        },
        MessageCase("link-veth-least") {
            $0.addLink(NewLink(name: "a", kind: .veth(peer: VethPeer(name: "b"))))
        },
        MessageCase("link-bridge") {
            $0.addLink(NewLink(name: "cni0", kind: .bridge(filtersVLANs: false), isUp: true))
        },
        MessageCase("link-bridge-filtering") {
            $0.addLink(NewLink(name: "cni0", kind: .bridge(filtersVLANs: true), mtu: 9000))
        },
        MessageCase("link-vxlan") { batch in
            batch.addLink(NewLink(name: "vxlan.42", kind: .vxlan(tunnel), mac: mac, mtu: 1450, master: 3, isUp: true))
        },
        MessageCase("link-vxlan-v6") { batch in
            var tunnel = VXLANSettings(identifier: 7)
            (tunnel.local, tunnel.group) = (IPAddress("fd09::1"), IPAddress("ff05::100"))
            (tunnel.sendsZeroChecksum6, tunnel.acceptsZeroChecksum6) = (false, true)
            (tunnel.trafficClass, tunnel.inheritsHopLimit) = (1, true)
            batch.addLink(NewLink(name: "vxlan.7", kind: .vxlan(tunnel)))
        },
        MessageCase("link-vxlan-change") { batch in
            var tunnel = VXLANSettings(identifier: 42)
            tunnel.local = IPAddress("192.168.9.7")
            batch.setVXLAN("vxlan.42", tunnel)
        },
        MessageCase("link-delete") { $0.deleteLink("veth1a2b3c4d5e6") },
        MessageCase("link-change") { batch in
            var change = LinkChange()
            (change.mac, change.mtu, change.master) = (mac, 1400, 0)
            (change.isUp, change.isPromiscuous) = (true, false)
            change.alias = "cni:lab/c1/eth0"
            batch.setLink("eth0", change)
        },
        MessageCase("link-tuning") { batch in
            var change = LinkChange()
            (change.isPromiscuous, change.receivesAllMulticast, change.queueLength) = (true, false, 77)
            batch.setLink("eth0", change)
        },
        MessageCase("link-local-withheld") { $0.withholdLinkLocalAddress("eth0") },
        MessageCase("link-change-nothing") { $0.setLink("eth0", LinkChange()) },
        MessageCase("port-settings") { $0.setPort("veth0", index: 7, hairpin: true, isolated: false) },
        MessageCase("port-tunnel") {
            $0.setPort("vxlan.42", index: 7, learns: false, suppressesNeighbours: true)
        },
        MessageCase("vlan-add") { $0.addVLANs(100...100, to: "veth0", index: 7, isUntagged: true) },
        MessageCase("vlan-trunk") { $0.addVLANs(100...200, to: "veth0", index: 7, isUntagged: false) },
        MessageCase("vlan-remove") { $0.removeVLANs(1...1, from: "veth0", index: 7) },
        MessageCase("address-v4") { $0.addAddress(prefix("10.22.0.7/16"), to: 7) },
        MessageCase("address-v4-host") { $0.addAddress(prefix("10.22.0.7/32"), to: 7) },
        MessageCase("address-v6") { $0.addAddress(prefix("fd22::7/64"), to: 7) },
        MessageCase("address-v6-detecting") { $0.addAddress(prefix("fd22::7/64"), to: 7, detectsDuplicates: true) },
        MessageCase("address-delete") { $0.deleteAddress(prefix("fd22::7/64"), from: 7) },
        MessageCase("route-v4") { $0.addRoute(route("0.0.0.0/0", via: "10.22.0.1") { _ in }) },
        MessageCase("route-v4-all") { batch in
            batch.addRoute(
                route("10.99.3.4/16", via: "10.22.0.1") {
                    ($0.mtu, $0.advertisedMSS, $0.priority, $0.table) = (1400, 1360, 50, 1001)
                    $0.source = IPAddress("10.22.0.7")
                }
            )
        },
        MessageCase("route-v4-link") {
            $0.addRoute(route("10.22.0.1/32", via: nil) { ($0.scope, $0.table) = (253, 100) })
        },
        MessageCase("route-v6") { $0.addRoute(route("::/0", via: "fd22::1") { $0.mtu = 1400 }) },
        MessageCase("route-delete") { $0.deleteRoute(route("fd23::/64", via: "fd22::1") { $0.priority = 5 }) },
        MessageCase("route-onlink") { batch in
            let route = route("10.5.2.0/24", via: "10.5.2.0") { ($0.origin, $0.isOnLink) = (92, true) }
            batch.setRoute(route, replaces: false)
        },
        MessageCase("route-replace") { $0.setRoute(route("fd05:2::/64", via: "fe80::2") { _ in }, replaces: true) },
        MessageCase("neighbour-origin") { batch in
            guard let mac, let address = IPAddress("fe80::2") else { return }
            var neighbour = Neighbour(address, mac: mac, interface: 7)
            neighbour.origin = 92
            batch.replaceNeighbour(neighbour)
        },
        MessageCase("forwarding") { batch in
            guard let mac, let host = IPAddress("192.168.9.2") else { return }
            batch.setForwarding(ForwardingEntry(mac, behind: host, on: 7))
        },
        MessageCase("forwarding-unknown") { batch in
            guard let zero = MACAddress("00:00:00:00:00:00"), let host = IPAddress("fd09::2") else { return }
            batch.setForwarding(ForwardingEntry(zero, behind: host, on: 7))
        },
        MessageCase("forwarding-delete") { batch in
            guard let mac, let host = IPAddress("192.168.9.2") else { return }
            batch.deleteForwarding(ForwardingEntry(mac, behind: host, on: 7))
        },
        MessageCase("forwarding-bridge") { batch in
            guard let mac else { return }
            batch.setForwarding(ForwardingEntry(mac, port: 7))
        },
        MessageCase("neighbour-v4") { batch in
            guard let mac, let address = IPAddress("10.22.0.1") else { return }
            batch.replaceNeighbour(Neighbour(address, mac: mac, interface: 7))
        },
        MessageCase("neighbour-v6-delete") { batch in
            guard let mac, let address = IPAddress("fd22::1") else { return }
            batch.deleteNeighbour(Neighbour(address, mac: mac, interface: 7))
        },
        MessageCase("flows-count") { $0.countFlows() },
        MessageCase("flows-list") { $0.listFlows(FlowSelection(transport: .udp, family: .v6)) },
        MessageCase("flows-port") { batch in
            delete(in: &batch) { $0.addFlows(.udp, .v4, toPort: 53) }
        },
        MessageCase("flows-address") { batch in
            guard let address = IPAddress("10.1.0.1") else { return }
            delete(in: &batch) { $0.addFlows(.udp, .v4, toPort: 5060, of: address) }
        },
        MessageCase("flow-delete") { batch in
            // One of UDP from 192.0.2.1 port 40000 to 10.1.0.1 port 53, in zone 7.
            let tuple: [UInt8] = [
                0x14, 0x00, 0x01, 0x80, 0x08, 0x00, 0x01, 0x00, 0xc0, 0x00, 0x02, 0x01, 0x08, 0x00, 0x02, 0x00, 0x0a,
                0x01, 0x00, 0x01, 0x1c, 0x00, 0x02, 0x80, 0x05, 0x00, 0x01, 0x00, 0x11, 0x00, 0x00, 0x00, 0x06, 0x00,
                0x02, 0x00, 0x9c, 0x40, 0x00, 0x00, 0x06, 0x00, 0x03, 0x00, 0x00, 0x35, 0x00, 0x00,
            ]
            batch.deleteFlow(DoomedFlow(family: .v4, original: tuple, id: [1, 2, 3, 4], zone: [0, 7]))
        },
        MessageCase("several") { batch in
            batch.deleteLink("a")
            batch.deleteLink("bcdef")
            batch.deleteAddress(prefix("10.0.0.1/8"), from: 1)
        },
    ]

    @Test(arguments: cases) func theBytesAreThoseOfTheFile(message: MessageCase) {
        var batch = MessageBatch()
        message.build(&batch)
        batch.number(from: 1)
        let overflowed = batch.overflowed
        #expect(!overflowed)
        expectGolden("netlink/\(message.name).hex", MessageText.text(of: batch))
    }

    @Test(arguments: cases) func lengthsAddUpAndNumbersCountOn(message: MessageCase) {
        var batch = MessageBatch()
        message.build(&batch)
        batch.number(from: 0xFFFF_FFF0)
        let bytes = [UInt8](batch.bytes)
        var (offset, count) = (0, 0)
        while offset < bytes.count {
            let length = bytes[offset...].integer(UInt32.self, at: 0) ?? 0
            #expect(bytes[offset...].integer(UInt32.self, at: 8) == 0xFFFF_FFF0 + UInt32(count))
            guard length >= 16 else { break }
            offset += Int(length + 3) & ~3
            count += 1
        }
        #expect(offset == bytes.count)
        #expect(count == batch.operations.count)
    }

    @Test func everyGoldenFileBelongsToACase() throws {
        let names = try Golden.names(in: "netlink", suffix: ".hex")
        #expect(names == Self.cases.map { "\($0.name).hex" }.sorted())
    }

    @Test func aLongAliasIsCutWhereTheKernelCutsIt() {
        var batch = MessageBatch()
        var long = LinkChange()
        long.alias = String(repeating: "x", count: 300)
        batch.setLink("eth0", long)
        #expect([UInt8](batch.bytes).count { $0 == UInt8(ascii: "x") } == 255)
    }

    @Test(arguments: [1, 255]) func whatDoesNotFitIsNotedAndWritesNothingBeyond(length: Int) {
        var batch = MessageBatch()
        var change = LinkChange()
        change.alias = String(repeating: "x", count: length)
        for index in 0..<2000 where !batch.overflowed { batch.setLink("interface\(index)", change) }
        let overflowed = batch.overflowed
        #expect(overflowed)
        #expect(batch.bytes.count <= MessageBatch.capacity)
        #expect(batch.operations.count <= MessageBatch.limit)
    }

    @Test(arguments: [0, 1, 2, 3]) func anAttributeThatDoesNotFitIsNotedToo(step: Int) {
        var batch = MessageBatch()
        var long = LinkChange()
        long.alias = String(repeating: "x", count: 200)
        while batch.bytes.count < MessageBatch.capacity - 300 { batch.setLink("x", long) }
        while batch.bytes.count < MessageBatch.capacity - 60 - step * 8 { batch.deleteLink("x") }
        let before = batch.bytes.count
        batch.addLink(NewLink(name: "fifteen-bytes-x", kind: .veth(peer: VethPeer(name: "fifteen-bytes-y"))))
        let overflowed = batch.overflowed
        #expect(overflowed)
        #expect(batch.bytes.count <= MessageBatch.capacity)
        #expect(before <= batch.bytes.count)
    }
}
