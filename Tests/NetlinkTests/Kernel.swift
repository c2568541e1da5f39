// SPDX-License-Identifier: Apache-2.0

import Addressing
import Linux
import Support
import Testing

@testable import Netlink

/// The routing socket with the error that these tests look at.
typealias Kernel = RouteSocket<NetlinkError>

extension RouteSocket<NetlinkError> {
    /// Sends what a body puts into a batch.
    mutating func send(_ build: (inout MessageBatch) -> Void) throws(NetlinkError) {
        var batch = MessageBatch()
        build(&batch)
        try send(batch)
    }

    /// Sends what the kernel must refuse, and returns how it did.
    mutating func refusal(
        sourceLocation: SourceLocation = #_sourceLocation,
        _ build: (inout MessageBatch) -> Void
    ) -> NetlinkError? {
        do { try send(build) } catch { return error }
        Issue.record("the kernel did not refuse", sourceLocation: sourceLocation)
        return nil
    }

    /// An interface that must be there.
    mutating func existing(_ name: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> Link {
        let link = try self.link(named: name)
        return try #require(link, sourceLocation: sourceLocation)
    }

    /// Makes a bridge that is up, and returns its number.
    mutating func makeBridge(_ name: String = "br0") throws -> UInt32 {
        try send { $0.addLink(NewLink(name: name, kind: .bridge(filtersVLANs: false), isUp: true)) }
        return try existing(name).index
    }

    /// Makes a pair of interfaces in this namespace, both up, and returns the number of the first.
    mutating func makePair(_ name: String, _ peer: String, master: UInt32? = nil) throws -> UInt32 {
        try send {
            $0.addLink(NewLink(name: name, kind: .veth(peer: VethPeer(name: peer)), master: master, isUp: true))
            var up = LinkChange()
            up.isUp = true
            $0.setLink(peer, up)
        }
        return try existing(name).index
    }

    /// A socket in a container's namespace.
    static func open(in container: ContainerNamespace) throws(NetlinkError) -> RouteSocket {
        try container.perform { () throws(NetlinkError) in try .open() }
    }
}

/// The prefix of a text that is one.
func prefix(_ text: String) throws -> Prefix { try #require(Prefix(text)) }

/// The address of a text that is one.
func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }
