// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLibMNL

/// What is asked of the kernel; answers are read by the types that they become.
extension MessageBatch {
    /// Asks for the interface of a name.
    @inline(never)
    mutating func askForLink(_ name: String) {
        begin("look up the interface \(name)", RTM_GETLINK, 0, ifinfomsg())
        put(IFLA_IFNAME, name)
        put(IFLA_EXT_MASK, UInt32(RTEXT_FILTER_SKIP_STATS))
    }

    /// Asks for the interface of a number.
    @inline(never)
    mutating func askForLink(_ index: UInt32) {
        var header = ifinfomsg()
        header.ifi_index = Int32(bitPattern: index)
        begin("look up the interface \(index)", RTM_GETLINK, 0, header)
        put(IFLA_EXT_MASK, UInt32(RTEXT_FILTER_SKIP_STATS))
    }

    /// Asks for all interfaces, or only those of a kind, or only the ports of a bridge.
    @inline(never)
    mutating func askForLinks(kind: String?, master: UInt32?) {
        beginDump("list the interfaces", RTM_GETLINK, ifinfomsg())
        put(IFLA_EXT_MASK, UInt32(RTEXT_FILTER_SKIP_STATS))
        if let master { put(IFLA_MASTER, master) }
        if let kind { nest(IFLA_LINKINFO) { $0.put(IFLA_INFO_KIND, kind) } }
    }

    /// Asks for the addresses of an interface, or of all if the number is 0.
    @inline(never)
    mutating func askForAddresses(of interface: UInt32) {
        var header = ifaddrmsg()
        header.ifa_index = interface
        beginDump("list the addresses", RTM_GETADDR, header)
    }

    /// Asks for the groups of IPv6 in which an interface is.
    @inline(never)
    mutating func askForGroups(of interface: UInt32) {
        var header = ifaddrmsg()
        (header.ifa_family, header.ifa_index) = (UInt8(AF_INET6), interface)
        beginDump("list the groups", RTM_GETMULTICAST, header)
    }

    /// Asks for the routes of a family, or only for those in a table that somebody made.
    @inline(never)
    mutating func askForRoutes(_ family: IPAddress.Family, table: UInt8 = 0, origin: UInt8 = 0) {
        var header = rtmsg()
        (header.rtm_family, header.rtm_table, header.rtm_protocol) = (family.kernelValue, table, origin)
        beginDump("list the routes", RTM_GETROUTE, header)
    }

    /// Asks for the route that a packet to an address takes.
    @inline(never)
    mutating func askForRoute(to address: IPAddress) {
        var header = rtmsg()
        header.rtm_family = address.family.kernelValue
        header.rtm_dst_len = UInt8(address.family.hostLength)
        begin("look up the way to \(address.description)", RTM_GETROUTE, 0, header)
        put(Int(RTA_DST.rawValue), address.bytes)
    }

    /// Asks for the neighbours on an interface.
    @inline(never)
    mutating func askForNeighbours(on interface: UInt32) {
        beginDump("list the neighbours", RTM_GETNEIGH, ndmsg())
        put(Int(NDA_IFINDEX), interface)
    }

    /// Asks for the tables of neighbours.
    @inline(never)
    mutating func askForNeighbourTables() { beginDump("list the tables of neighbours", RTM_GETNEIGHTBL, ndtmsg()) }

    /// Asks for the forwarding entries of an interface.
    @inline(never)
    mutating func askForForwarding(of interface: UInt32) {
        var header = ndmsg()
        (header.ndm_family, header.ndm_ifindex) = (UInt8(AF_BRIDGE), Int32(bitPattern: interface))
        beginDump("list the forwarding entries", RTM_GETNEIGH, header)
    }
}
