// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLibMNL

/// What a flow must have, as the kernel itself compares it.
struct FlowPattern {
    let transport: UInt8
    var destination: IPAddress?
    var destinationPort: UInt16?
    /// The bits IPS_… that are compared, and what they must be.
    var statusMask: UInt32 = 0
    var status: UInt32 = 0

    init(transport: UInt8) { self.transport = transport }

    /// Puts it into a message that lists or deletes flows.
    func put(into batch: inout MessageBatch) {
        // CTA_FILTER_F_CTA_IP_SRC and so on of the kernel's source, which no header exports.
        let (destination, transport, destinationPort) = (2, 8, 32) as (UInt32, UInt32, UInt32)
        let original =
            transport | (self.destination == nil ? 0 : destination)
            | (self.destinationPort == nil ? 0 : destinationPort)
        batch.nest(Int(CTA_FILTER.rawValue)) { $0.put(Int(CTA_FILTER_ORIG_FLAGS.rawValue), original) }
        batch.nest(Int(CTA_TUPLE_ORIG.rawValue)) {
            if let address = self.destination {
                let type = address.family == .v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST
                $0.nest(Int(CTA_TUPLE_IP.rawValue)) { $0.put(Int(type.rawValue), address.bytes) }
            }
            $0.nest(Int(CTA_TUPLE_PROTO.rawValue)) {
                $0.put(Int(CTA_PROTO_NUM.rawValue), self.transport)
                if let port = self.destinationPort { $0.put(Int(CTA_PROTO_DST_PORT.rawValue), port.bigEndian) }
            }
        }
        if statusMask != 0 {
            batch.put(Int(CTA_STATUS.rawValue), status.bigEndian)
            batch.put(Int(CTA_STATUS_MASK.rawValue), statusMask.bigEndian)
        }
    }
}
