// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLibMNL

/// A route, as it is to be or as the kernel describes it.
public struct Route: Hashable, Sendable {
    /// Where packets are going.
    public var destination: Prefix
    /// The next hop, if there is one.
    public var gateway: IPAddress?
    /// The number of the interface by which packets leave.
    public var interface: UInt32
    /// The source that packets get if they have none.
    public var source: IPAddress?
    /// The metric: the lowest wins; 0 leaves it to the kernel.
    public var priority: UInt32 = 0
    /// The number of the table; 254 is the main one.
    public var table: UInt32 = 254
    /// The scope: 0 is global, 253 is that of the link.
    public var scope: UInt8 = 0
    /// Who made it: the number of a routing protocol; 3 stands for those that are made by hand.
    public var origin = UInt8(RTPROT_BOOT)
    /// Whether packets go anywhere: a route may also say that they are to be dropped or refused.
    public private(set) var isUnicast = true
    /// Whether the next hop is on the link although no address of the interface says so.
    public var isOnLink = false
    /// The largest packet in bytes, if it is less than the interface's.
    public var mtu: UInt32?
    /// The segment size to announce to TCP peers.
    public var advertisedMSS: UInt32?

    /// Makes a route with defaults for the rest.
    public init(to destination: Prefix, via gateway: IPAddress? = nil, interface: UInt32) {
        self.destination = destination
        self.gateway = gateway
        self.interface = interface
    }

    /// Reads a message RTM_NEWROUTE; nothing if it is another or is cut short.
    public init?(_ message: Message) {
        let payload = message.payload
        guard message.type == UInt16(RTM_NEWROUTE), payload.count >= MemoryLayout<rtmsg>.size,
            let family = payload.first, let length = payload.dropFirst(1).first,
            family == UInt8(AF_INET) || family == UInt8(AF_INET6)
        else {
            return nil
        }
        var destination = IPAddress(family: family == UInt8(AF_INET) ? .v4 : .v6, bits: 0)
        interface = 0
        table = UInt32(payload[payload.startIndex + 4])
        origin = payload[payload.startIndex + 5]
        scope = payload[payload.startIndex + 6]
        isUnicast = payload[payload.startIndex + 7] == UInt8(RTN_UNICAST)
        isOnLink = (payload.integer(UInt32.self, at: 8) ?? 0) & UInt32(RTNH_F_ONLINK) != 0
        for attribute in message.attributes(after: MemoryLayout<rtmsg>.size) {
            switch attribute.type {
            case Int(RTA_DST.rawValue): destination = IPAddress(bytes: Array(attribute.value)) ?? destination
            case Int(RTA_GATEWAY.rawValue): gateway = IPAddress(bytes: Array(attribute.value))
            case Int(RTA_OIF.rawValue): interface = attribute.uint32 ?? 0
            case Int(RTA_PREFSRC.rawValue): source = IPAddress(bytes: Array(attribute.value))
            case Int(RTA_PRIORITY.rawValue): priority = attribute.uint32 ?? 0
            case Int(RTA_TABLE.rawValue): table = attribute.uint32 ?? table
            case Int(RTA_METRICS.rawValue):
                mtu = attribute.nested.first(Int(RTAX_MTU))?.uint32
                advertisedMSS = attribute.nested.first(Int(RTAX_ADVMSS))?.uint32
            default: break
            }
        }
        guard let prefix = Prefix(address: destination, length: Int(length)) else { return nil }
        self.destination = prefix
    }
}

extension MessageBatch {
    /// Adds a route, which fails if the very same exists: ip route add.
    ///
    /// Without the flag that excludes, as the reference does it, so that a second IPv6 route to one destination becomes
    /// another next hop.
    public mutating func addRoute(_ route: Route) {
        begin("add the route to \(route.destination.description)", RTM_NEWROUTE, NLM_F_CREATE, Self.header(route))
        putRoute(route)
        putMetrics(route)
    }

    /// Adds a route that is the only one to its destination, or takes the place of the one that is there: ip route replace.
    ///
    /// Without `replaces` it fails if there is any with the same metric, whoever made it.
    public mutating func setRoute(_ route: Route, replaces: Bool) {
        let flags = NLM_F_CREATE | (replaces ? NLM_F_REPLACE : NLM_F_EXCL)
        begin("set the route to \(route.destination.description)", RTM_NEWROUTE, flags, Self.header(route))
        putRoute(route)
        putMetrics(route)
    }

    private mutating func putMetrics(_ route: Route) {
        if route.mtu != nil || route.advertisedMSS != nil {
            nest(Int(RTA_METRICS.rawValue)) { metrics in
                if let mtu = route.mtu { metrics.put(Int(RTAX_MTU), mtu) }
                if let mss = route.advertisedMSS { metrics.put(Int(RTAX_ADVMSS), mss) }
            }
        }
    }

    /// Adds the removal of a route: ip route delete.
    ///
    /// `ifExists` tells whether it is no error that there is none.
    public mutating func deleteRoute(_ route: Route, ifExists: Bool = false) {
        begin("delete the route to \(route.destination.description)", RTM_DELROUTE, 0, Self.header(route))
        putRoute(route)
        if ifExists { forgive(ESRCH) }
    }

    private mutating func putRoute(_ route: Route) {
        put(Int(RTA_DST.rawValue), route.destination.network.bytes)
        if let gateway = route.gateway { put(Int(RTA_GATEWAY.rawValue), gateway.bytes) }
        if let source = route.source { put(Int(RTA_PREFSRC.rawValue), source.bytes) }
        if route.priority != 0 { put(Int(RTA_PRIORITY.rawValue), route.priority) }
        if route.table > 255 { put(Int(RTA_TABLE.rawValue), route.table) }
        put(Int(RTA_OIF.rawValue), route.interface)
    }

    private static func header(_ route: Route) -> rtmsg {
        var header = rtmsg()
        header.rtm_family = route.destination.address.family.kernelValue
        header.rtm_dst_len = UInt8(route.destination.length)
        header.rtm_table = route.table > 255 ? UInt8(RT_TABLE_COMPAT.rawValue) : UInt8(route.table)
        header.rtm_protocol = route.origin
        if route.isOnLink { header.rtm_flags = UInt32(RTNH_F_ONLINK) }
        header.rtm_scope = route.scope
        header.rtm_type = UInt8(RTN_UNICAST)
        return header
    }
}
