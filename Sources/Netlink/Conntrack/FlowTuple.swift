// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLibMNL

/// One direction of a flow: from where to where its packets go.
///
/// What is not asked for is not read, because most flows that a kernel lists are of no interest.
struct FlowTuple {
    /// The attributes as the kernel wrote them, for naming the flow to it again.
    let bytes: ArraySlice<UInt8>
    private let addresses: ArraySlice<UInt8>
    private let ports: ArraySlice<UInt8>

    /// Reads an attribute CTA_TUPLE_ORIG or CTA_TUPLE_REPLY; nothing if it lacks the addresses or the ports.
    init?(_ attribute: Attribute) {
        var (addresses, ports) = (ArraySlice<UInt8>?.none, ArraySlice<UInt8>?.none)
        for part in attribute.nested {
            switch part.type {
            case Int(CTA_TUPLE_IP.rawValue): addresses = part.value
            case Int(CTA_TUPLE_PROTO.rawValue): ports = part.value
            default: break
            }
        }
        guard let addresses, let ports else { return nil }
        (bytes, self.addresses, self.ports) = (attribute.value, addresses, ports)
    }

    var transport: UInt8? { Attributes(ports).first(Int(CTA_PROTO_NUM.rawValue))?.uint8 }

    var sourcePort: UInt16? { port(CTA_PROTO_SRC_PORT) }

    var destinationPort: UInt16? { port(CTA_PROTO_DST_PORT) }

    var source: IPAddress? { address(CTA_IP_V4_SRC, CTA_IP_V6_SRC) }

    var destination: IPAddress? { address(CTA_IP_V4_DST, CTA_IP_V6_DST) }

    private func port(_ type: ctattr_l4proto) -> UInt16? {
        Attributes(ports).first(Int(type.rawValue))?.uint16.map { UInt16(bigEndian: $0) }
    }

    private func address(_ v4: ctattr_ip, _ v6: ctattr_ip) -> IPAddress? {
        for part in Attributes(addresses) where part.type == Int(v4.rawValue) || part.type == Int(v6.rawValue) {
            return IPAddress(bytes: Array(part.value))
        }
        return nil
    }
}
