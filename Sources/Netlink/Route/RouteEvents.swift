// SPDX-License-Identifier: Apache-2.0

import CLibMNL
import Linux

/// What the kernel tells of interfaces and addresses while a process waits: rtnetlink(7).
public struct RouteEvents<Failure: SystemFailure>: ~Copyable {
    private var socket: NetlinkSocket<Failure>

    /// Begins to listen in the namespace of the calling thread.
    public static func open() throws(Failure) -> RouteEvents {
        let groups = UInt32(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR)
        return RouteEvents(socket: try .open(protocol: NETLINK_ROUTE, groups: groups))
    }

    private init(socket: consuming NetlinkSocket<Failure>) { self.socket = socket }

    /// The number of the descriptor, for waiting until there is something to read.
    public var descriptor: CInt { socket.descriptor }

    /// The numbers of the interfaces that something has happened to; nothing if there was too much to tell.
    public mutating func interfaces() -> [UInt32]? {
        // A refusal means that the kernel had to throw events away.
        guard let messages = try? socket.events(timeoutMilliseconds: 0) else { return nil }
        // Both kinds of message have the number in the same place.
        return messages.compactMap { $0.payload.integer(UInt32.self, at: 4) }
    }
}
