// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLibMNL

/// What the packets of one direction must have, as the kernel compares it when it makes a list.
struct FlowPattern {
    var transport: UInt8?
    var source: IPAddress?
    var sourcePort: UInt16?
    var destination: IPAddress?
    var destinationPort: UInt16?

    /// Which parts are given: CTA_FILTER_F_… of the kernel's source, which no header exports.
    var flags: UInt32 {
        (source == nil ? 0 : 1 << 0) | (destination == nil ? 0 : 1 << 1) | (transport == nil ? 0 : 1 << 3)
            | (sourcePort == nil ? 0 : 1 << 4) | (destinationPort == nil ? 0 : 1 << 5)
    }

    /// Puts the given parts as an attribute of a tuple.
    func put(_ type: ctattr_type, into batch: inout MessageBatch) {
        batch.nest(Int(type.rawValue)) { batch in
            if source != nil || destination != nil {
                batch.nest(Int(CTA_TUPLE_IP.rawValue)) {
                    if let source { $0.put(Self.number(source, CTA_IP_V4_SRC, CTA_IP_V6_SRC), source.bytes) }
                    if let destination {
                        $0.put(Self.number(destination, CTA_IP_V4_DST, CTA_IP_V6_DST), destination.bytes)
                    }
                }
            }
            batch.nest(Int(CTA_TUPLE_PROTO.rawValue)) {
                if let transport { $0.put(Int(CTA_PROTO_NUM.rawValue), transport) }
                if let sourcePort { $0.put(Int(CTA_PROTO_SRC_PORT.rawValue), sourcePort.bigEndian) }
                if let destinationPort { $0.put(Int(CTA_PROTO_DST_PORT.rawValue), destinationPort.bigEndian) }
            }
        }
    }

    private static func number(_ address: IPAddress, _ v4: ctattr_ip, _ v6: ctattr_ip) -> Int {
        Int(address.family == .v4 ? v4.rawValue : v6.rawValue)
    }
}
