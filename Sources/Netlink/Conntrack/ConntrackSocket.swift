// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLibMNL
import Linux

/// A socket for the flows that the kernel tracks in one namespace: conntrack(8) over netlink.
public struct ConntrackSocket<Failure: SystemFailure>: ~Copyable {
    private var socket: NetlinkSocket<Failure>
    private var routes: RouteSocket<Failure>

    /// Opens a socket in the namespace of the calling thread.
    public static func open() throws(Failure) -> ConntrackSocket {
        ConntrackSocket(socket: try .open(protocol: NETLINK_NETFILTER), routes: try .open())
    }

    private init(socket: consuming NetlinkSocket<Failure>, routes: consuming RouteSocket<Failure>) {
        self.socket = socket
        self.routes = routes
    }

    /// Deletes the flows that a filter matches, so that their next packets are looked up anew.
    ///
    /// Each protocol and family is listed once, by a kernel that leaves out most of what is not meant. A flow that ends
    /// meanwhile is none the worse.
    ///
    /// - Returns: How many flows were meant.
    @discardableResult
    public mutating func deleteFlows(matching filter: FlowFilter) throws(Failure) -> Int {
        var count = 0
        for selection in filter.selections {
            let flows = try doomedFlows(selection)
            for start in stride(from: 0, to: flows.count, by: Self.flowsPerBatch) {
                var batch = MessageBatch()
                for flow in flows[start...].prefix(Self.flowsPerBatch) { batch.deleteFlow(flow) }
                try socket.send(batch)
            }
            Trace.step("deleted \(flows.count) tracked flows")
            count += flows.count
        }
        return count
    }

    /// As many removals as always fit into one batch.
    private static var flowsPerBatch: Int { 100 }

    private mutating func doomedFlows(_ selection: FlowSelection) throws(Failure) -> [DoomedFlow] {
        let candidates = try socket.list({ selection.putRequest(into: &$0) }) { message -> Candidate? in
            guard let flow = Flow(message) else { return nil }
            switch selection.verdict(flow) {
            case .other: return nil
            case .meant: return Candidate(flow: DoomedFlow(flow, selection.family), destination: nil)
            case .meantIfLocal(let address):
                return Candidate(flow: DoomedFlow(flow, selection.family), destination: address)
            }
        }
        var isLocal: [IPAddress: Bool] = [:]
        for candidate in candidates {
            guard let address = candidate.destination, isLocal[address] == nil else { continue }
            isLocal[address] = try routes.isLocal(address)
        }
        return candidates.compactMap { candidate in
            if let address = candidate.destination, isLocal[address] == false { return nil }
            return candidate.flow
        }
    }
}

/// A flow that is meant, if its destination is an address of the host where there is one.
private struct Candidate {
    let flow: DoomedFlow
    let destination: IPAddress?
}
