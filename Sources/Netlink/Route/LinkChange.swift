// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLibMNL

/// What is to change on an interface; what is left out stays.
public struct LinkChange: Sendable {
    /// The hardware address.
    public var mac: MACAddress?
    /// The largest packet in bytes.
    public var mtu: UInt32?
    /// The bridge to become a port of; 0 leaves the present one.
    public var master: UInt32?
    /// Whether it is switched on.
    public var isUp: Bool?
    /// Whether it receives what is for others.
    public var isPromiscuous: Bool?
    /// Whether it receives what is for any group.
    public var receivesAllMulticast: Bool?
    /// How many packets may wait to be sent.
    public var queueLength: UInt32?
    /// The alias that ip-link(8) shows.
    public var alias: String?

    /// Describes a change of nothing.
    public init() {}
}

extension MessageBatch {
    /// Adds a change of an interface that is found by its name: ip link set.
    public mutating func setLink(_ name: String, _ change: LinkChange) {
        var header = ifinfomsg()
        header.change(IFF_UP, change.isUp)
        header.change(IFF_PROMISC, change.isPromiscuous)
        header.change(IFF_ALLMULTI, change.receivesAllMulticast)
        begin("change the interface \(name)", RTM_NEWLINK, 0, header)
        put(IFLA_IFNAME, name)
        if let mac = change.mac { put(IFLA_ADDRESS, mac.bytes) }
        if let mtu = change.mtu { put(IFLA_MTU, mtu) }
        if let master = change.master { put(IFLA_MASTER, master) }
        if let length = change.queueLength { put(IFLA_TXQLEN, length) }
        if let alias = change.alias { put(IFLA_IFALIAS, Array(alias.utf8.prefix(255))) }
    }

    /// Adds that the kernel does not give an interface an IPv6 link-local address by itself: ip link set addrgenmode none.
    ///
    /// A kernel without IPv6, or an interface whose MTU is too small for it, has nothing to change.
    public mutating func withholdLinkLocalAddress(_ name: String) {
        setFamily("withhold the link-local address of \(name)", name, AF_INET6) {
            $0.put(IFLA_INET6_ADDR_GEN_MODE, UInt8(IN6_ADDR_GEN_MODE_NONE.rawValue))
        }
    }

    /// Adds that the kernel announces an interface's IPv4 addresses when it goes up, or its hardware address is set: arp_notify.
    ///
    /// Not by /proc/sys, where the kernel passes over an entry of each other namespace on the way to that of this one.
    public mutating func announceAddresses(_ name: String) {
        setFamily("have \(name) announce its addresses", name, AF_INET) {
            $0.nest(IFLA_INET_CONF) { $0.put(IPV4_DEVCONF_ARP_NOTIFY, UInt32(1)) }
        }
    }

    /// Adds a change of what an address family does on an interface, which may be without that family.
    private mutating func setFamily(
        _ operation: String,
        _ name: String,
        _ family: Int32,
        _ settings: (inout MessageBatch) -> Void
    ) {
        begin(operation, RTM_NEWLINK, 0, ifinfomsg())
        put(IFLA_IFNAME, name)
        nest(IFLA_AF_SPEC) { $0.nest(Int(family), settings) }
        forgive(EAFNOSUPPORT)
    }

    /// Adds a change of what a bridge does with one of its ports: bridge link set.
    ///
    /// With `forwards` a port that was switched off forwards at once.
    public mutating func setPort(
        _ name: String,
        index: UInt32,
        hairpin: Bool? = nil,
        isolated: Bool? = nil,
        learns: Bool? = nil,
        suppressesNeighbours: Bool? = nil,
        forwards: Bool = false
    ) {
        begin("set the bridge port \(name)", RTM_SETLINK, 0, Self.bridgeHeader(index))
        nest(IFLA_PROTINFO | Int(NLA_F_NESTED)) { port in
            if let hairpin { port.put(IFLA_BRPORT_MODE, UInt8(hairpin ? 1 : 0)) }
            if let learns { port.put(IFLA_BRPORT_LEARNING, UInt8(learns ? 1 : 0)) }
            if let suppresses = suppressesNeighbours { port.put(IFLA_BRPORT_NEIGH_SUPPRESS, UInt8(suppresses ? 1 : 0)) }
            if let isolated { port.put(IFLA_BRPORT_ISOLATED, UInt8(isolated ? 1 : 0)) }
            // BR_STATE_FORWARDING of linux/if_bridge.h.
            if forwards { port.put(IFLA_BRPORT_STATE, UInt8(3)) }
        }
    }

    /// Adds a range of VLANs to a bridge's port, or to the bridge itself: bridge vlan add.
    ///
    /// `isUntagged` tells whether frames leave without a tag, and frames without one belong here; one VLAN only.
    public mutating func addVLANs(_ vlans: ClosedRange<UInt16>, to name: String, index: UInt32, isUntagged: Bool) {
        begin("add VLAN \(vlans.lowerBound) to \(name)", RTM_SETLINK, 0, Self.bridgeHeader(index))
        putVLANs(vlans, flags: isUntagged ? UInt16(BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED) : 0)
    }

    /// Adds the removal of a range of VLANs from a bridge's port: bridge vlan delete.
    public mutating func removeVLANs(_ vlans: ClosedRange<UInt16>, from name: String, index: UInt32) {
        begin("remove VLAN \(vlans.lowerBound) from \(name)", RTM_DELLINK, 0, Self.bridgeHeader(index))
        putVLANs(vlans, flags: 0)
    }

    private mutating func putVLANs(_ vlans: ClosedRange<UInt16>, flags: UInt16) {
        nest(IFLA_AF_SPEC | Int(NLA_F_NESTED)) { spec in
            guard vlans.count > 1 else {
                return spec.put(
                    Int(IFLA_BRIDGE_VLAN_INFO),
                    structure: bridge_vlan_info(flags: flags, vid: vlans.lowerBound)
                )
            }
            for (end, vlan) in [
                (BRIDGE_VLAN_INFO_RANGE_BEGIN, vlans.lowerBound), (BRIDGE_VLAN_INFO_RANGE_END, vlans.upperBound),
            ] {
                spec.put(Int(IFLA_BRIDGE_VLAN_INFO), structure: bridge_vlan_info(flags: flags | UInt16(end), vid: vlan))
            }
        }
    }

    private static func bridgeHeader(_ index: UInt32) -> ifinfomsg {
        var header = ifinfomsg()
        header.ifi_family = UInt8(AF_BRIDGE)
        header.ifi_index = Int32(bitPattern: index)
        return header
    }
}

extension ifinfomsg {
    /// Sets or clears a flag, if it is to change at all.
    fileprivate mutating func change(_ flag: net_device_flags, _ value: Bool?) {
        guard let value else { return }
        ifi_change |= UInt32(flag.rawValue)
        if value { ifi_flags |= UInt32(flag.rawValue) }
    }
}
