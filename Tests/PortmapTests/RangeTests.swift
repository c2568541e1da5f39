// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// A range of ports, which runtimes write as one entry for each.
@Suite("Port ranges", .ownNetworkNamespace)
struct RangeTests {
    @Test(arguments: Backend.allCases, [Transport.tcp, .udp])
    func fiveHundredPortsLeadToTheirOwn(backend: Backend, transport: Transport) throws {
        let topology = try Topology()
        let before = try Rules()
        let mappings = (0..<500).map { Mapping(20_000 + $0, 30_000 + $0, transport.rawValue) }.shuffled()
        let publication = topology.publication(backend, of: 0, mappings)
        try publication.call("ADD")
        for number in [0, 1, 14, 15, 255, 256, 498, 499] {
            for isV6 in [false, true] {
                let server = try topology.server(transport, in: 0, isV6: isV6, port: UInt16(30_000 + number))
                let target = Topology.addresses[isV6 ? 1 : 0]
                let contact = try server.contact(target, 20_000 + number, from: topology.place(.outside))
                #expect(contact.isAnswered, "port \(20_000 + number), IPv6 \(isV6)")
            }
        }
        for number in [19_999, 20_500] {
            let server = try topology.server(transport, in: 0, isV6: false, port: UInt16(10_000 + number))
            let place = topology.place(.outside)
            #expect(try server.contact("192.0.2.1", number, from: place, milliseconds: 40) == .none)
        }
        try publication.call("CHECK")
        // Another one may have the ports beside them, and none within.
        let beside = topology.publication(backend, of: 1, [Mapping(20_500, 80, transport.rawValue)])
        try beside.call("ADD")
        let within = topology.publication(backend, of: 1, [Mapping(20_250, 80, transport.rawValue)])
        #expect(try within.failure("ADD").text.contains("lan"))
        try publication.call("DEL")
        try beside.call("DEL")
        #expect(try Rules() == before)
    }
}
