// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import Linux
import Netlink

/// The device through which a host reaches the others, as it is to be.
///
/// All of it follows from the configuration and the host's addresses. What the kernel has is compared with it, and only
/// what differs is changed, so that nobody's connections are touched.
public struct Tunnel: Sendable {
    /// The name of the device.
    public let name: String
    /// The alias by which the suite knows its own devices of a network.
    public let alias: String
    /// What only a VXLAN device has.
    public var settings: VXLANSettings
    /// The hardware address.
    public var mac: MACAddress
    /// The largest packet in bytes.
    public var mtu: UInt32
    /// The bridge of which the device is a port; nothing if packets are routed into it.
    public var bridge: String?
    /// Whether the bridge answers for neighbours that it knows behind the tunnel.
    public var suppressesNeighbours = false
    /// Whether checksums are left to the hardware; nothing leaves that to the kernel.
    public var checksumOffload: Bool?
    /// The networks of all hosts.
    public var networks: [Prefix] = []
    /// What leads to the others; nothing if somebody else looks after that.
    public var entries: TunnelEntries?

    /// Describes a tunnel.
    public init(name: String, network: String, settings: VXLANSettings, mac: MACAddress, mtu: UInt32) {
        (self.name, self.settings, self.mac, self.mtu) = (name, settings, mac, mtu)
        alias = Self.alias(network: network)
    }

    /// The alias of the devices that are made for a network, but for those of its attachments.
    ///
    /// The kernel keeps 255 bytes, so a long name is replaced by its hash.
    public static func alias(network: String) -> String {
        "cni-overlay:" + (network.utf8.count <= 128 ? network : SHA512.hexadecimal(of: Array(network.utf8)))
    }

    /// The number by which routes and neighbours of the suite are known among those of others.
    public static var origin: UInt8 { 92 }
}

/// What leads to the other hosts.
public struct TunnelEntries: Sendable {
    /// The addresses of the device itself, which packets of this host get as their source.
    public var addresses: [Prefix] = []
    /// What is routed into the tunnel: for each subnet the host that has it.
    public var routed: [(subnet: Prefix, peer: MACAddress)] = []
    /// What is routed past the tunnel, because the host is on the same link.
    public var direct: [(subnet: Prefix, gateway: IPAddress)] = []
    /// Behind which host a hardware address is; zero stands for all that are unknown.
    public var forwarding: [(mac: MACAddress, host: IPAddress)] = []
    /// The containers of other hosts that are known, on the bridge.
    public var endpoints: [Peer.Endpoint] = []

    /// Leads nowhere.
    public init() {}

    /// The next hop in the tunnel for a subnet, which is never asked for: its hardware address is known.
    ///
    /// For IPv4 the address of the subnet itself, which no container gets, as Flannel does it. For IPv6 one that is good on
    /// the link only, because the kernel refuses others when a wider route leads elsewhere.
    static func gateway(_ subnet: Prefix) -> IPAddress {
        if subnet.address.family == .v4 { return subnet.network }
        let bits = subnet.network.bits
        return IPAddress(family: .v6, bits: 0xFE80 << 112 | (bits >> 64 ^ bits & UInt128(UInt64.max)))
    }

    /// The scope of the route to a subnet of IPv4: one of the numbers that mean nothing to the kernel (rtnetlink(7)).
    ///
    /// The kernel looks through all next hops of a device and a scope before it takes another one, but not at their
    /// addresses. So neighbouring subnets have different scopes, and a route among 10,000 costs as one among 10.
    static func scope(_ subnet: Prefix) -> UInt8 {
        let place = subnet.network.bits >> UInt128(subnet.hostLength - subnet.length)
        return UInt8(UInt32(truncatingIfNeeded: place) % 199) + 1
    }
}
