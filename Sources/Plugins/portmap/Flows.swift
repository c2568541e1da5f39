// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Netlink
import Rules

/// The flows that the kernel tracks: it looks a translation up for the first packet of a flow only, and a flow without a
/// connection would go on to where the port led before.
enum Flows {
    /// Lets flows to the mapped ports be looked up anew.
    static func redirect(_ mappings: [PortMapping], _ targets: [Target]) throws(CNIError) {
        var filter = FlowFilter()
        for target in targets {
            let family = target.address.family
            for mapping in mappings where mapping.applies(to: family) {
                guard let transport = FlowFilter.Transport(mapping.transport) else { continue }
                filter.addFlows(transport, family, toPort: UInt16(mapping.hostPort), of: mapping.hostIP)
            }
        }
        try delete(filter)
    }

    /// Forgets the flows to ports that are mapped no more.
    static func forget(_ elements: [Element]) throws(CNIError) {
        var filter = FlowFilter()
        for element in elements {
            let words = element.key.utf8.split(separator: UInt8(ascii: " ")).map {
                String(decoding: Array($0), as: UTF8.self)
            }
            let isForHost = element.map == "hosts4" || element.map == "hosts6"
            guard isForHost || element.map == "ports4" || element.map == "ports6", words.count >= 3,
                let mapped = PortMapping.Transport(rawValue: words[words.count - 3]),
                let transport = FlowFilter.Transport(mapped), let port = UInt16(words[words.count - 1])
            else {
                continue
            }
            let family = element.map.utf8.last == UInt8(ascii: "4") ? IPAddress.Family.v4 : .v6
            filter.addFlows(transport, family, toPort: port, of: isForHost ? IPAddress(words[0]) : nil)
        }
        try delete(filter)
    }

    private static func delete(_ filter: FlowFilter) throws(CNIError) {
        if filter.isEmpty { return }
        var flows = try ConntrackSocket<CNIError>.open()
        try flows.deleteFlows(matching: filter)
    }
}

extension FlowFilter.Transport {
    /// The protocol, unless it has connections whose end the kernel sees.
    fileprivate init?(_ transport: PortMapping.Transport) {
        switch transport {
        case .tcp: return nil
        case .udp: self = .udp
        case .sctp: self = .sctp
        }
    }
}
