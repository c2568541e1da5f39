// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLibMNL

/// A flow that the kernel tracks: an entry of /proc/net/nf_conntrack.
struct Flow {
    /// Where the packets of the one who began go, before any translation.
    let original: FlowTuple
    /// Where the answers come from and go to, as they are before they are translated back.
    let reply: FlowTuple
    /// What tells it from a later flow between the same ends, as the kernel wrote it.
    let id: ArraySlice<UInt8>
    /// The zone, as the kernel wrote it, if it is not the usual one.
    let zone: ArraySlice<UInt8>?

    /// Reads a message IPCTNL_MSG_CT_NEW; nothing if it is another, or of a protocol without ports.
    init?(_ message: Message) {
        guard message.type == UInt16(MessageBatch.flowType(IPCTNL_MSG_CT_NEW)) else { return nil }
        var (original, reply) = (FlowTuple?.none, FlowTuple?.none)
        var (id, zone) = (ArraySlice<UInt8>?.none, ArraySlice<UInt8>?.none)
        for attribute in message.attributes(after: MemoryLayout<nfgenmsg>.size) {
            switch attribute.type {
            case Int(CTA_TUPLE_ORIG.rawValue): original = FlowTuple(attribute)
            case Int(CTA_TUPLE_REPLY.rawValue): reply = FlowTuple(attribute)
            case Int(CTA_ID.rawValue): id = attribute.value
            case Int(CTA_ZONE.rawValue): zone = attribute.value
            default: break
            }
        }
        guard let original, let reply, let id else { return nil }
        (self.original, self.reply, self.id, self.zone) = (original, reply, id, zone)
    }
}

/// A flow that is to be deleted, apart from the buffer in which it was received.
struct DoomedFlow {
    let family: IPAddress.Family
    let original: [UInt8]
    let id: [UInt8]
    let zone: [UInt8]?
}

extension DoomedFlow {
    init(_ flow: Flow, _ family: IPAddress.Family) {
        self.init(
            family: family,
            original: Array(flow.original.bytes),
            id: Array(flow.id),
            zone: flow.zone.map { Array($0) }
        )
    }
}
