// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLibMNL

extension MessageBatch {
    /// The number of a message of connection tracking among those of netfilter.
    static func flowType(_ message: cntl_msg_types) -> Int { Int(NFNL_SUBSYS_CTNETLINK) << 8 | Int(message.rawValue) }

    /// Adds the question how many flows there are.
    mutating func countFlows() {
        begin("count the tracked flows", Self.flowType(IPCTNL_MSG_CT_GET_STATS), 0, nfgenmsg())
    }

    /// Adds the request for the flows of a protocol.
    mutating func listFlows(_ selection: FlowSelection) {
        let header = selection.family.netfilterHeader
        beginDump("list the tracked flows", Self.flowType(IPCTNL_MSG_CT_GET), header)
        FlowPattern(transport: selection.transport.rawValue).put(into: &self)
    }

    /// Adds the removal of all flows of a pattern, which kernels before 6.11 refuse.
    ///
    /// Those take the message for one that names a single flow and find it incomplete. Without its attribute of the
    /// original direction they would take it for one that means all flows.
    mutating func deleteFlows(_ pattern: FlowPattern, _ family: IPAddress.Family) {
        let type = Self.flowType(IPCTNL_MSG_CT_DELETE)
        begin("delete the tracked flows of a port", type, 0, family.netfilterHeader)
        pattern.put(into: &self)
    }

    /// Adds the removal of a flow; that it is gone already is as good.
    mutating func deleteFlow(_ flow: DoomedFlow) {
        begin("delete a tracked flow", Self.flowType(IPCTNL_MSG_CT_DELETE), 0, flow.family.netfilterHeader)
        put(Int(CTA_TUPLE_ORIG.rawValue) | Int(NLA_F_NESTED), flow.original)
        if let zone = flow.zone { put(Int(CTA_ZONE.rawValue), zone) }
        put(Int(CTA_ID.rawValue), flow.id)
        forgive(ENOENT)
    }
}

extension IPAddress.Family {
    /// The header of netfilter's messages about flows of the family.
    var netfilterHeader: nfgenmsg {
        var header = nfgenmsg()
        header.nfgen_family = kernelValue
        return header
    }
}
