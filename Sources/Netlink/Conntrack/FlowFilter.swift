// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Which of the flows that the kernel tracks are meant, as those of published ports.
///
/// Translations are looked up for the first packet of a flow only. A flow of UDP or SCTP has no end that the kernel sees, so
/// one that began before a port was published, or goes on after it was withdrawn, keeps its old way for minutes.
public struct FlowFilter: Sendable {
    /// A protocol with ports.
    public enum Transport: UInt8, Sendable {
        /// The transmission control protocol.
        case tcp = 6
        /// The user datagram protocol.
        case udp = 17
        /// The stream control transmission protocol.
        case sctp = 132
    }

    /// What is selected of each protocol and family.
    private(set) var selections: [FlowSelection] = []

    /// Makes a filter that matches nothing.
    public init() {}

    /// Whether it matches nothing at all.
    public var isEmpty: Bool { selections.isEmpty }

    /// Adds the flows to a port of an address of the host.
    ///
    /// Without an address those to any are meant, except what the host only masquerades on its way to others.
    public mutating func addFlows(
        _ transport: Transport,
        _ family: IPAddress.Family,
        toPort port: UInt16,
        of address: IPAddress? = nil
    ) {
        let found = selections.firstIndex { $0.transport == transport && $0.family == family }
        if found == nil { selections.append(FlowSelection(transport: transport, family: family)) }
        selections[found ?? selections.count - 1].published[port, default: []].append(address)
    }
}
