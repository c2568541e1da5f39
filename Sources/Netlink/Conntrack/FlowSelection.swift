// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLibMNL

/// The flows of one protocol and one family that a filter matches.
struct FlowSelection {
    let transport: FlowFilter.Transport
    let family: IPAddress.Family
    /// The addresses at which each port is published; nothing stands for all.
    var published: [UInt16: [IPAddress?]] = [:]

    /// Whether a flow is meant.
    func matches(_ flow: Flow) -> Bool {
        // An older kernel lists the flows of all protocols.
        guard flow.original.transport == transport.rawValue else { return false }
        guard let port = flow.original.destinationPort, let addresses = published[port],
            let destination = flow.original.destination
        else {
            return false
        }
        if addresses.contains(destination) { return true }
        return addresses.contains(nil) && (flow.isTranslated || !flow.isMasqueraded)
    }

    /// What the flows look like, each kind on its own; nothing where the kernel cannot be asked for it.
    ///
    /// Linux 6.18 compares the ports of TCP and UDP only, and means all flows of SCTP; and it compares addresses of IPv6
    /// the wrong way round, and means all flows but those.
    var patterns: [FlowPattern]? {
        let comparesPorts = transport != .sctp
        let comparesAddresses = family == .v4
        if !published.isEmpty, !comparesPorts { return nil }
        if !comparesAddresses, published.contains(where: { $0.value.contains { $0 != nil } }) { return nil }
        var patterns: [FlowPattern] = []
        for (port, addresses) in published {
            for address in addresses {
                var pattern = FlowPattern(transport: transport.rawValue)
                (pattern.destination, pattern.destinationPort) = (address, port)
                if address != nil {
                    patterns.append(pattern)
                    continue
                }
                (pattern.status, pattern.statusMask) = (0, IPS_SRC_NAT.rawValue)
                patterns.append(pattern)
                pattern.status = IPS_SRC_NAT.rawValue | IPS_DST_NAT.rawValue
                pattern.statusMask = pattern.status
                patterns.append(pattern)
            }
        }
        return patterns
    }
}

extension Flow {
    /// Whether it is answered from elsewhere than where it was sent.
    fileprivate var isTranslated: Bool {
        reply.source != original.destination || reply.sourcePort != original.destinationPort
    }

    /// Whether the answers go to elsewhere than from where it was sent.
    fileprivate var isMasqueraded: Bool {
        reply.destination != original.source || reply.destinationPort != original.sourcePort
    }
}
