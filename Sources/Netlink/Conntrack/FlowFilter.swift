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

    /// What is selected of each protocol and family, which is listed at once.
    private(set) var selections: [FlowSelection] = []

    /// Makes a filter that matches nothing.
    public init() {}

    /// Whether it matches nothing at all.
    public var isEmpty: Bool { selections.isEmpty }

    /// Adds the flows to a published port of the host, except those that already reach the container behind it.
    ///
    /// Without an address those to any address of the host are meant; what the host forwards to others never is.
    public mutating func addFlows(
        _ transport: Transport,
        toPublished port: UInt16,
        at address: IPAddress?,
        exceptTo container: FlowEndpoint
    ) {
        change(transport, container.address.family) {
            $0.published[port, default: []].append(PublishedPort(address: address, container: container))
        }
    }

    /// Adds all flows to a port of the host that is published no more.
    public mutating func addFlows(
        _ transport: Transport,
        toWithdrawn port: UInt16,
        at address: IPAddress?,
        _ family: IPAddress.Family
    ) {
        change(transport, family) {
            $0.published[port, default: []].append(PublishedPort(address: address, container: nil))
        }
    }

    /// Adds the flows that a container answers from a port of its own.
    public mutating func addFlows(_ transport: Transport, to container: FlowEndpoint) {
        change(transport, container.address.family) { $0.containers.insert(container) }
    }

    private mutating func change(
        _ transport: Transport,
        _ family: IPAddress.Family,
        _ body: (inout FlowSelection) -> Void
    ) {
        if let index = selections.firstIndex(where: { $0.transport == transport && $0.family == family }) {
            return body(&selections[index])
        }
        var selection = FlowSelection(transport: transport, family: family)
        body(&selection)
        selections.append(selection)
    }
}
