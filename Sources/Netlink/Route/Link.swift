// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLibMNL

/// A network interface as the kernel describes it.
public struct Link: Sendable {
    /// The number of the interface in its namespace.
    public let index: UInt32
    /// The name of the interface in its namespace.
    public let name: String
    /// The kind, such as bridge or veth; empty for hardware and the loopback.
    public let kind: String
    /// The hardware address, if it is an Ethernet one.
    public let mac: MACAddress?
    /// The largest packet in bytes.
    public let mtu: UInt32
    /// The flags IFF_… of netdevice(7).
    public let flags: UInt32
    /// The number of the bridge or other device that it is a port of.
    public let master: UInt32?
    /// The number of the other end or the lower device, in its own namespace.
    public let peer: UInt32?
    /// The alias that ip-link(8) shows.
    public let alias: String
    /// Whether packets can pass: operational state up.
    public let isOperational: Bool
    /// How many asked for promiscuous mode.
    public let promiscuity: UInt32
    /// How many packets may wait to be sent.
    public let queueLength: UInt32
    /// What the bridge says of it, if it is a port of one.
    public let port: BridgePort?
    /// Whether the bridge filters by VLAN, if it is one.
    public let filtersVLANs: Bool
    /// What only a VXLAN device has, if it is one.
    public let vxlan: VXLANSettings?

    /// Whether the interface is switched on.
    public var isUp: Bool { flags & UInt32(IFF_UP.rawValue) != 0 }

    /// Whether it was told to receive what is for others; programs that ask for it themselves don't count.
    public var isPromiscuous: Bool { flags & UInt32(IFF_PROMISC.rawValue) != 0 }

    /// Whether it was told to receive what is for any group.
    public var receivesAllMulticast: Bool { flags & UInt32(IFF_ALLMULTI.rawValue) != 0 }

    /// Reads a message RTM_NEWLINK; nothing if it is another or is cut short.
    public init?(_ message: Message) {
        guard message.type == UInt16(RTM_NEWLINK), let index = message.payload.integer(UInt32.self, at: 4),
            let flags = message.payload.integer(UInt32.self, at: 8)
        else {
            return nil
        }
        self.index = index
        self.flags = flags
        var (name, kind, alias, mac, mtu) = ("", "", "", MACAddress?.none, UInt32(0))
        var (master, peer, state, promiscuity) = (UInt32?.none, UInt32?.none, UInt8(0), UInt32(0))
        var (port, filtersVLANs, queueLength) = (BridgePort?.none, false, UInt32(0))
        var vxlan: VXLANSettings?
        for attribute in message.attributes(after: MemoryLayout<ifinfomsg>.size) {
            switch attribute.type {
            case IFLA_IFNAME: name = attribute.text
            case IFLA_ADDRESS: mac = MACAddress(bytes: Array(attribute.value))
            case IFLA_MTU: mtu = attribute.uint32 ?? 0
            case IFLA_MASTER: master = attribute.uint32
            case IFLA_LINK: peer = attribute.uint32
            case IFLA_IFALIAS: alias = attribute.text
            case IFLA_OPERSTATE: state = attribute.uint8 ?? 0
            case IFLA_PROMISCUITY: promiscuity = attribute.uint32 ?? 0
            case IFLA_TXQLEN: queueLength = attribute.uint32 ?? 0
            case IFLA_LINKINFO:
                kind = attribute.nested.first(IFLA_INFO_KIND)?.text ?? ""
                if attribute.nested.first(IFLA_INFO_SLAVE_KIND)?.text == "bridge" {
                    port = attribute.nested.first(IFLA_INFO_SLAVE_DATA).map { BridgePort($0.nested) }
                }
                if kind == "bridge", let data = attribute.nested.first(IFLA_INFO_DATA) {
                    filtersVLANs = data.nested.first(IFLA_BR_VLAN_FILTERING)?.uint8 == 1
                }
                if kind == "vxlan" { vxlan = attribute.nested.first(IFLA_INFO_DATA).map { VXLANSettings($0.nested) } }
            default: break
            }
        }
        (self.name, self.kind, self.alias, self.mac, self.mtu) = (name, kind, alias, mac, mtu)
        (self.master, self.peer, self.promiscuity) = (master, peer, promiscuity)
        self.vxlan = vxlan
        (self.port, self.filtersVLANs, self.queueLength) = (port, filtersVLANs, queueLength)
        // IF_OPER_UP of linux/if.h.
        isOperational = state == 6
    }
}

/// The settings of a bridge's port.
public struct BridgePort: Equatable, Sendable {
    /// Whether frames may leave where they came in.
    public var hairpin = false
    /// Whether frames to other isolated ports are dropped.
    public var isolated = false
    /// Whether the bridge notes the senders of frames that come in.
    public var learns = false
    /// Whether the bridge answers for neighbours that it knows behind the port, instead of asking there.
    public var suppressesNeighbours = false
    /// Whether the port forwards.
    public var isForwarding = false
    /// Whether the port is switched off, as it also is while it or its bridge is down.
    public var isDisabled = false

    init(_ attributes: Attributes) {
        for attribute in attributes {
            switch attribute.type {
            case IFLA_BRPORT_MODE: hairpin = attribute.uint8 == 1
            case IFLA_BRPORT_ISOLATED: isolated = attribute.uint8 == 1
            case IFLA_BRPORT_LEARNING: learns = attribute.uint8 == 1
            case IFLA_BRPORT_NEIGH_SUPPRESS: suppressesNeighbours = attribute.uint8 == 1
            // BR_STATE_DISABLED and BR_STATE_FORWARDING of linux/if_bridge.h.
            case IFLA_BRPORT_STATE: (isDisabled, isForwarding) = (attribute.uint8 == 0, attribute.uint8 == 3)
            default: break
            }
        }
    }
}
