// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLibMNL
import Linux

/// A socket for the links, addresses, routes and neighbours of one namespace: rtnetlink(7).
public struct RouteSocket<Failure: SystemFailure>: ~Copyable {
    private var socket: NetlinkSocket<Failure>

    /// Opens a socket in the namespace of the calling thread.
    public static func open() throws(Failure) -> RouteSocket {
        RouteSocket(socket: try .open(protocol: NETLINK_ROUTE))
    }

    /// The number of the socket, by which the kernel tells who asked for something.
    var port: UInt32 { socket.port }

    private init(socket: consuming NetlinkSocket<Failure>) { self.socket = socket }

    /// Sends a batch; the first message that the kernel refuses is the error.
    public mutating func send(_ batch: consuming MessageBatch) throws(Failure) { try socket.send(batch) }

    /// The interface of a name, or nothing if there is none.
    @inline(never)
    public mutating func link(named name: String) throws(Failure) -> Link? {
        var batch = MessageBatch()
        batch.askForLink(name)
        return try link(batch)
    }

    /// The interface of a number, or nothing if there is none.
    @inline(never)
    public mutating func link(index: UInt32) throws(Failure) -> Link? {
        var batch = MessageBatch()
        batch.askForLink(index)
        return try link(batch)
    }

    private mutating func link(_ question: consuming MessageBatch) throws(Failure) -> Link? {
        do { return try socket.list(question).compactMap { Link($0) }.first } catch {
            if error.errno == .noSuchDevice { return nil }
            throw error
        }
    }

    /// Waits until an interface is as it should be, woken by the kernel's events and not by a clock.
    ///
    /// - Returns: The interface as it was last seen when the time was over, or nothing if it is gone.
    public mutating func link(
        named name: String,
        withinMilliseconds limit: Int64,
        until condition: (Link) -> Bool
    ) throws(Failure) -> Link? {
        var link = try link(named: name)
        if link.map(condition) ?? true { return link }
        // Open before the next look, so that nothing can happen in between unseen.
        var events = try NetlinkSocket<Failure>.open(protocol: NETLINK_ROUTE, groups: UInt32(RTMGRP_LINK))
        let end = Clock.monotonicNanoseconds() + limit * 1_000_000
        while true {
            link = try self.link(named: name)
            let rest = (end - Clock.monotonicNanoseconds()) / 1_000_000
            if link.map(condition) ?? true || rest <= 0 { return link }
            _ = try events.events(timeoutMilliseconds: Int(rest))
        }
    }

    /// All interfaces, or only those of a kind, or only the ports of a bridge.
    public mutating func links(kind: String? = nil, master: UInt32? = nil) throws(Failure) -> [Link] {
        var batch = MessageBatch()
        batch.askForLinks(kind: kind, master: master)
        let links = try socket.list(batch).compactMap { Link($0) }
        // A kernel without strict checking of requests ignores the selection.
        return links.filter { (kind == nil || $0.kind == kind) && (master == nil || $0.master == master) }
    }

    /// The addresses of an interface, of both families.
    public mutating func addresses(of interface: UInt32) throws(Failure) -> [InterfaceAddress] {
        var batch = MessageBatch()
        batch.askForAddresses(of: interface)
        return try socket.list(batch).compactMap { InterfaceAddress($0) }.filter { $0.interface == interface }
    }

    /// The addresses of all interfaces, of both families.
    public mutating func addresses() throws(Failure) -> [InterfaceAddress] {
        var batch = MessageBatch()
        batch.askForAddresses(of: 0)
        return try socket.list(batch).compactMap { InterfaceAddress($0) }
    }

    /// The multicast groups of IPv6 in which an interface is: ip -6 maddress.
    public mutating func groups(of interface: UInt32) throws(Failure) -> [IPAddress] {
        var batch = MessageBatch()
        batch.askForGroups(of: interface)
        return try socket.list(batch).compactMap { InterfaceAddress.group($0, of: interface) }
    }

    /// The routes of one family, in all tables.
    public mutating func routes(_ family: IPAddress.Family) throws(Failure) -> [Route] {
        var batch = MessageBatch()
        batch.askForRoutes(family)
        return try socket.list(batch).compactMap { Route($0) }
    }

    /// The routes of one family in the main table that somebody made, told by the number of the routing protocol.
    public mutating func routes(_ family: IPAddress.Family, origin: UInt8) throws(Failure) -> [Route] {
        var batch = MessageBatch()
        batch.askForRoutes(family, table: 254, origin: origin)
        return try socket.list(batch).compactMap { Route($0) }.filter { $0.origin == origin && $0.table == 254 }
    }

    /// The route that a packet to an address takes, or nothing if there is no way to it.
    public mutating func route(to address: IPAddress) throws(Failure) -> Route? {
        try answers(address).compactMap { Route($0) }.first
    }

    private mutating func answers(_ address: IPAddress) throws(Failure) -> [Message] {
        var batch = MessageBatch()
        batch.askForRoute(to: address)
        do { return try socket.list(batch) } catch {
            switch error.errno?.rawValue {
            // There is no way to it, or one that leads nowhere.
            case ENETUNREACH, EHOSTUNREACH, EINVAL, EACCES: return []
            default: throw error
            }
        }
    }

    /// The neighbours that are known on an interface.
    public mutating func neighbours(of interface: UInt32) throws(Failure) -> [Neighbour] {
        var batch = MessageBatch()
        batch.askForNeighbours(on: interface)
        return try socket.list(batch).compactMap { Neighbour($0) }.filter { $0.interface == interface }
    }

    /// The kernel's tables of neighbours, of both families.
    public mutating func neighbourTables() throws(Failure) -> [NeighbourTable] {
        var batch = MessageBatch()
        batch.askForNeighbourTables()
        return try socket.list(batch).compactMap { NeighbourTable($0) }
    }

    /// The forwarding entries of an interface, in its own table and in that of its bridge.
    public mutating func forwardingEntries(of interface: UInt32) throws(Failure) -> [ForwardingEntry] {
        var batch = MessageBatch()
        batch.askForForwarding(of: interface)
        return try socket.list(batch).compactMap { ForwardingEntry($0) }.filter { $0.interface == interface }
    }
}
