// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// Every protocol and family from everywhere, to ports of all addresses of the host and of one.
@Suite("Port-map matrix", .ownNetworkNamespace)
struct PortMatrixTests {
    /// Ports of the host, and the ports of the container to which they lead.
    private static let (wide, narrow, wideTarget, narrowTarget) = (18080, 18081, UInt16(80), UInt16(81))

    private static var mappings: [Mapping] {
        Transport.allCases.flatMap { transport in
            [Mapping(wide, Int(wideTarget), transport.rawValue)]
                + Topology.addresses.map { Mapping(narrow, Int(narrowTarget), transport.rawValue, on: $0) }
        }
    }

    @Test(arguments: Backend.allCases, [true, false])
    func everyCell(backend: Backend, bridgedPacketsAreFiltered: Bool) throws {
        let topology = try Topology(bridgedPacketsAreFiltered: bridgedPacketsAreFiltered)
        let before = try Rules()
        let publication = topology.publication(backend, of: 0, Self.mappings)
        let neighbour = topology.publication(backend, of: 1, [Mapping(18082, 80), Mapping(18082, 80, "udp")])
        try neighbour.call("ADD")
        try publication.call("ADD")
        for transport in Transport.allCases {
            for isV6 in [false, true] {
                try checkWide(topology, transport, isV6)
                try checkNarrow(topology, transport, isV6)
            }
        }
        try publication.call("DEL")
        try neighbour.call("DEL")
        let after = try Rules()
        #expect(after == before)
    }

    private func checkWide(_ topology: Topology, _ transport: Transport, _ isV6: Bool) throws {
        let server = try topology.server(transport, in: 0, isV6: isV6, port: Self.wideTarget)
        for path in Topology.Path.allCases {
            // The kernel routes ::1 nowhere else.
            if path == .loopback, isV6 { continue }
            let target = path == .loopback ? "127.0.0.1" : Topology.addresses[isV6 ? 1 : 0]
            let contact = try server.contact(target, Self.wide, from: topology.place(path))
            let cell: Comment = "\(transport) to \(target) from \(path)"
            #expect(contact.isAnswered, cell)
            if path == .outside { #expect(contact.source == (isV6 ? "2001:db8::2" : "192.0.2.2"), cell) }
        }
        // The address of the bridge is one of the host, too.
        let own = isV6 ? "fd88::1" : "10.88.0.1"
        for path in [Topology.Path.host, .neighbour] {
            #expect(try server.contact(own, Self.wide, from: topology.place(path)).isAnswered, "\(transport) to \(own)")
        }
    }

    private func checkNarrow(_ topology: Topology, _ transport: Transport, _ isV6: Bool) throws {
        let server = try topology.server(transport, in: 0, isV6: isV6, port: Self.narrowTarget)
        let target = Topology.addresses[isV6 ? 1 : 0]
        for path in Topology.Path.allCases where path != .loopback {
            let contact = try server.contact(target, Self.narrow, from: topology.place(path))
            #expect(contact.isAnswered, "\(transport) to \(target) alone from \(path)")
        }
        // Published at one address means at no other.
        for (path, other) in [(Topology.Path.host, isV6 ? "fd88::1" : "10.88.0.1"), (.loopback, "127.0.0.1")] {
            if path == .loopback, isV6 { continue }
            let contact = try server.contact(other, Self.narrow, from: topology.place(path), milliseconds: 40)
            #expect(contact == .none, "\(transport) to \(other)")
        }
    }
}
