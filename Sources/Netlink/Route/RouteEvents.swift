// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLibMNL
import Linux

/// What the kernel tells of interfaces, addresses, removed routes and neighbours while a process waits: rtnetlink(7).
public struct RouteEvents<Failure: SystemFailure>: ~Copyable {
    private var socket: NetlinkSocket<Failure>
    private let origin: UInt8
    private let own: UInt32

    /// Begins to listen in the namespace of the calling thread.
    ///
    /// Of routes it hears when one of the protocol `origin` was removed, by anybody but the socket `own`.
    public static func open(
        origin: UInt8,
        besides own: borrowing RouteSocket<Failure>
    ) throws(Failure) -> RouteEvents {
        var groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE
        groups |= RTMGRP_NEIGH
        let socket = try NetlinkSocket<Failure>.open(protocol: NETLINK_ROUTE, groups: UInt32(groups))
        let events = RouteEvents(socket: socket, origin: origin, own: own.port)
        // No interface has this number.
        try events.follow(neighboursOf: 0)
        return events
    }

    private init(socket: consuming NetlinkSocket<Failure>, origin: UInt8, own: UInt32) {
        self.socket = socket
        (self.origin, self.own) = (origin, own)
    }

    /// Listens to the neighbours and the forwarding entries of one interface, and of no other; of the latter the kernel does
    /// not say who changed them, so it tells of what the socket `own` does as well.
    public func follow(neighboursOf interface: UInt32) throws(Failure) {
        guard clibmnl_admit(socket.descriptor, origin, interface, own) == 0 else {
            throw Failure(Errno(clibmnl_errno()), "filter the events of a netlink socket")
        }
    }

    /// The number of the descriptor, for waiting until there is something to read.
    public var descriptor: CInt { socket.descriptor }

    /// What has happened; nothing if there was too much to tell.
    public mutating func take() -> [RouteEvent]? {
        // A refusal means that the kernel had to throw events away.
        guard let messages = try? socket.events(timeoutMilliseconds: 0) else { return nil }
        return messages.compactMap { RouteEvent($0) }
    }
}

/// One thing that has happened.
public enum RouteEvent: Sendable {
    /// An interface was changed, or one of its addresses that are good on its link only, or a route through it was removed.
    case interface(UInt32)
    /// An address of an interface came, went or was changed.
    case address(UInt32)
    /// A neighbour was set, or is gone; then only its address and its interface are known.
    case neighbour(Neighbour, isGone: Bool)
    /// A forwarding entry was set, or is gone.
    case forwarding(ForwardingEntry, isGone: Bool)

    init?(_ message: Message) {
        switch Int(message.type) {
        case Int(RTM_NEWNEIGH), Int(RTM_DELNEIGH):
            let isGone = message.type == UInt16(RTM_DELNEIGH)
            if message.payload.first == UInt8(AF_BRIDGE) {
                // What is gone is described as if it were there.
                let present = Message(type: UInt16(RTM_NEWNEIGH), payload: message.payload)
                guard let entry = ForwardingEntry(present) else { return nil }
                self = .forwarding(entry, isGone: isGone)
                return
            }
            let attributes = message.attributes(after: MemoryLayout<ndmsg>.size)
            guard let interface = message.payload.integer(UInt32.self, at: 4),
                let address = attributes.first(Int(NDA_DST))?.address, let none = MACAddress(bytes: [0, 0, 0, 0, 0, 0])
            else {
                return nil
            }
            let present = isGone ? nil : Neighbour(message)
            self = .neighbour(present ?? Neighbour(address, mac: none, interface: interface), isGone: present == nil)
        case Int(RTM_DELROUTE):
            let attributes = message.attributes(after: MemoryLayout<rtmsg>.size)
            guard let interface = attributes.first(Int(RTA_OIF.rawValue))?.uint32 else { return nil }
            self = .interface(interface)
        default:
            // The other kinds of message have the number in the same place.
            guard let interface = message.payload.integer(UInt32.self, at: 4) else { return nil }
            let isAddress = message.type == UInt16(RTM_NEWADDR) || message.type == UInt16(RTM_DELADDR)
            // The interfaces of containers each bring one that is good on the link only, of which nobody needs to hear.
            let isWide = (message.payload.dropFirst(3).first ?? 0) < UInt8(RT_SCOPE_LINK.rawValue)
            self = isAddress && isWide ? .address(interface) : .interface(interface)
        }
    }
}
