// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLibMNL

/// A network interface to be made, with all that the creating message can set.
public struct NewLink: Sendable {
    /// What kind of interface, with what only that kind has.
    public enum Kind: Sendable {
        /// A bridge; with VLAN filtering from its first moment if asked for.
        case bridge(filtersVLANs: Bool)
        /// One end of a pair, whose other end may be made in another namespace.
        case veth(peer: VethPeer)
        /// A tunnel to other hosts.
        case vxlan(VXLANSettings)
    }

    /// The name of the interface.
    public var name: String
    /// The kind of the interface.
    public var kind: Kind
    /// The hardware address; the kernel draws one if it is missing.
    public var mac: MACAddress?
    /// The largest packet in bytes; the kernel's default if it is missing.
    public var mtu: UInt32?
    /// The number of the bridge that it becomes a port of.
    public var master: UInt32?
    /// Whether it is switched on from its first moment.
    public var isUp: Bool

    /// Describes an interface.
    public init(
        name: String,
        kind: Kind,
        mac: MACAddress? = nil,
        mtu: UInt32? = nil,
        master: UInt32? = nil,
        isUp: Bool = false
    ) {
        self.name = name
        self.kind = kind
        self.mac = mac
        self.mtu = mtu
        self.master = master
        self.isUp = isUp
    }
}

/// The other end of a veth pair to be made; it is switched on later, which the kernel demands.
public struct VethPeer: Sendable {
    /// The name of the interface.
    public var name: String
    /// The hardware address; the kernel draws one if it is missing.
    public var mac: MACAddress?
    /// The largest packet in bytes.
    public var mtu: UInt32?
    /// The descriptor of the namespace in which it appears; the socket's own if it is missing.
    public var namespace: CInt?

    /// Describes the other end.
    public init(name: String, mac: MACAddress? = nil, mtu: UInt32? = nil, namespace: CInt? = nil) {
        self.name = name
        self.mac = mac
        self.mtu = mtu
        self.namespace = namespace
    }
}

extension MessageBatch {
    /// Adds the creation of an interface, which fails if the name is taken: ip link add.
    ///
    /// Name, address, MTU, master and state come with the creating message, because each later message would take the
    /// kernel's one lock for links again.
    public mutating func addLink(_ link: NewLink) {
        var header = ifinfomsg()
        if link.isUp { (header.ifi_flags, header.ifi_change) = (UInt32(IFF_UP.rawValue), UInt32(IFF_UP.rawValue)) }
        begin("create the interface \(link.name)", RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, header)
        put(IFLA_IFNAME, link.name)
        if let mac = link.mac { put(IFLA_ADDRESS, mac.bytes) }
        if let mtu = link.mtu { put(IFLA_MTU, mtu) }
        if let master = link.master { put(IFLA_MASTER, master) }
        nest(IFLA_LINKINFO) { info in
            switch link.kind {
            case .bridge(let filtersVLANs):
                info.put(IFLA_INFO_KIND, "bridge")
                if filtersVLANs { info.nest(IFLA_INFO_DATA) { $0.put(IFLA_BR_VLAN_FILTERING, UInt8(1)) } }
            case .veth(let peer):
                info.put(IFLA_INFO_KIND, "veth")
                info.nest(IFLA_INFO_DATA) { data in data.nest(Int(VETH_INFO_PEER)) { $0.put(peer) } }
            case .vxlan(let settings):
                info.put(IFLA_INFO_KIND, "vxlan")
                info.nest(IFLA_INFO_DATA) { $0.put(settings) }
            }
        }
    }

    private mutating func put(_ peer: VethPeer) {
        putBare(ifinfomsg())
        put(IFLA_IFNAME, peer.name)
        if let mac = peer.mac { put(IFLA_ADDRESS, mac.bytes) }
        if let mtu = peer.mtu { put(IFLA_MTU, mtu) }
        if let namespace = peer.namespace { put(IFLA_NET_NS_FD, UInt32(bitPattern: namespace)) }
    }

    /// Adds the deletion of an interface by name: ip link delete.
    public mutating func deleteLink(_ name: String) {
        begin("delete the interface \(name)", RTM_DELLINK, 0, ifinfomsg())
        put(IFLA_IFNAME, name)
    }
}
