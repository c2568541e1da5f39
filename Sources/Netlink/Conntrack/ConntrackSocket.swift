// SPDX-License-Identifier: Apache-2.0

import CLibMNL
import Linux

/// A socket for the flows that the kernel tracks in one namespace: conntrack(8) over netlink.
public struct ConntrackSocket<Failure: SystemFailure>: ~Copyable {
    /// Who looks for the flows that a filter matches.
    enum Search {
        /// The kernel deletes all flows of a pattern, and looks at no empty place of its table for longer than at a word.
        case kernel
        /// The kernel lists the flows, for which it locks each of some 262,144 places in turn: 12 ms where there is no flow.
        case list
    }

    private var socket: NetlinkSocket<Failure>

    /// Opens a socket in the namespace of the calling thread.
    public static func open() throws(Failure) -> ConntrackSocket {
        ConntrackSocket(socket: try .open(protocol: NETLINK_NETFILTER))
    }

    private init(socket: consuming NetlinkSocket<Failure>) { self.socket = socket }

    /// Deletes the flows that a filter matches, so that their next packets are looked up anew.
    public mutating func deleteFlows(matching filter: FlowFilter) throws(Failure) {
        try deleteFlows(matching: filter, .kernel)
    }

    /// Deletes the flows that a filter matches, preferring a way.
    mutating func deleteFlows(matching filter: FlowFilter, _ search: Search) throws(Failure) {
        for selection in filter.selections {
            if search == .kernel, try deletePatterns(of: selection) { continue }
            try deleteListed(selection)
        }
    }

    /// As many patterns as cost less than a list: 0.1 ms each where there are few flows, and 30 ms against 400 where
    /// there are 100,000.
    private static var patternLimit: Int { 16 }

    /// Has the kernel delete what is meant; false if it cannot, or a list costs less.
    private mutating func deletePatterns(of selection: FlowSelection) throws(Failure) -> Bool {
        guard let patterns = selection.patterns, patterns.count <= Self.patternLimit else { return false }
        var batch = MessageBatch()
        for pattern in patterns { batch.deleteFlows(pattern, selection.family) }
        do {
            try socket.send(batch)
            return true
        } catch {
            if error.errno == .invalidArgument || error.errno == .notSupported { return false }
            throw error
        }
    }

    /// As many removals as always fit into one batch.
    private static var flowsPerBatch: Int { 100 }

    /// Deletes one by one what is meant; a flow that ends meanwhile is none the worse.
    private mutating func deleteListed(_ selection: FlowSelection) throws(Failure) {
        if try isEmpty() { return }
        var question = MessageBatch()
        question.listFlows(selection)
        let flows = try socket.list(question) { message -> DoomedFlow? in
            guard let flow = Flow(message), selection.matches(flow) else { return nil }
            return DoomedFlow(flow, selection.family)
        }
        for start in stride(from: 0, to: flows.count, by: Self.flowsPerBatch) {
            var batch = MessageBatch()
            for flow in flows[start...].prefix(Self.flowsPerBatch) { batch.deleteFlow(flow) }
            try socket.send(batch)
        }
    }

    /// Whether the namespace has no flow at all.
    private mutating func isEmpty() throws(Failure) -> Bool {
        var question = MessageBatch()
        question.countFlows()
        let answer = try socket.list(question).first
        let count = answer?.attributes(after: MemoryLayout<nfgenmsg>.size).first(Int(CTA_STATS_GLOBAL_ENTRIES.rawValue))
        return count?.uint32 == 0
    }
}
