// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLibMNL

/// A route, as it is to be or as the kernel describes it.
public struct Route: Equatable, Sendable {
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
        scope = payload[payload.startIndex + 6]
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
        if route.mtu != nil || route.advertisedMSS != nil {
            nest(Int(RTA_METRICS.rawValue)) { metrics in
                if let mtu = route.mtu { metrics.put(Int(RTAX_MTU), mtu) }
                if let mss = route.advertisedMSS { metrics.put(Int(RTAX_ADVMSS), mss) }
            }
        }
    }

    /// Adds the removal of a route: ip route delete.
    public mutating func deleteRoute(_ route: Route) {
        begin("delete the route to \(route.destination.description)", RTM_DELROUTE, 0, Self.header(route))
        putRoute(route)
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
        header.rtm_protocol = UInt8(RTPROT_BOOT)
        header.rtm_scope = route.scope
        header.rtm_type = UInt8(RTN_UNICAST)
        return header
    }
}
