// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLibMNL

/// A published port as a filter sees it.
struct PublishedPort {
    /// The only address of the host at which it is published, if there is one.
    let address: IPAddress?
    /// Where flows to it belong.
    let container: FlowEndpoint?
}

/// The flows of one protocol and one family that a filter matches.
struct FlowSelection {
    /// What a filter says of one flow.
    enum Verdict {
        case other
        case meant
        /// It is meant if its destination is an address of the host.
        case meantIfLocal(IPAddress)
    }

    let transport: FlowFilter.Transport
    let family: IPAddress.Family
    /// The published ports, by the number that those outside see.
    var published: [UInt16: [PublishedPort]] = [:]
    /// The ends from which containers answer.
    var containers: Set<FlowEndpoint> = []

    /// Whether a flow is meant.
    ///
    /// An older kernel lists the flows of all protocols.
    func verdict(_ flow: Flow) -> Verdict {
        guard flow.original.transport == transport.rawValue else { return .other }
        if !containers.isEmpty, let end = flow.reply.sourceEnd, containers.contains(end) { return .meant }
        guard !published.isEmpty, let port = flow.original.destinationPort, let candidates = published[port],
            let end = flow.reply.sourceEnd, let destination = flow.original.destination
        else {
            return .other
        }
        var verdict = Verdict.other
        for candidate in candidates where candidate.container != end {
            if candidate.address == destination { return .meant }
            if candidate.address == nil { verdict = .meantIfLocal(destination) }
        }
        return verdict
    }
}

extension FlowTuple {
    /// The end that sends.
    fileprivate var sourceEnd: FlowEndpoint? {
        guard let port = sourcePort, let address = source else { return nil }
        return FlowEndpoint(address, port: port)
    }
}

/// What the kernel itself leaves out of a list, so that it need not be written and read.
extension FlowSelection {
    /// What all meant flows have in common.
    private var common: (destination: IPAddress?, destinationPort: UInt16?, source: IPAddress?, sourcePort: UInt16?) {
        if containers.isEmpty, published.count == 1, let (port, candidates) = published.first {
            let address = candidates.first?.address
            return (candidates.allSatisfy { $0.address == address } ? address : nil, port, nil, nil)
        }
        guard published.isEmpty, let first = containers.first else { return (nil, nil, nil, nil) }
        return (
            nil, nil, containers.allSatisfy { $0.address == first.address } ? first.address : nil,
            containers.allSatisfy { $0.port == first.port } ? first.port : nil
        )
    }

    /// Puts the request for the list of what may be meant.
    func putRequest(into batch: inout MessageBatch) {
        let common = common
        let type = MessageBatch.flowType(IPCTNL_MSG_CT_GET)
        batch.beginDump("list the tracked flows", type, family.netfilterHeader)
        // The kernel wants to know the protocol wherever it is told a port.
        var (original, reply) = (FlowPattern(transport: transport.rawValue), FlowPattern(transport: transport.rawValue))
        (original.destination, original.destinationPort) = (common.destination, common.destinationPort)
        (reply.source, reply.sourcePort) = (common.source, common.sourcePort)
        batch.nest(Int(CTA_FILTER.rawValue)) {
            $0.put(Int(CTA_FILTER_ORIG_FLAGS.rawValue), original.flags)
            $0.put(Int(CTA_FILTER_REPLY_FLAGS.rawValue), reply.flags)
        }
        original.put(CTA_TUPLE_ORIG, into: &batch)
        reply.put(CTA_TUPLE_REPLY, into: &batch)
    }
}
