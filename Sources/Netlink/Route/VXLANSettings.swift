// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLibMNL

/// What only a VXLAN device has: RFC 7348.
///
/// What is left out is the kernel's default when a device is made, and stays as it is when one is changed.
public struct VXLANSettings: Equatable, Sendable {
    /// What the outer header says of fragmentation; IPv4 only.
    public enum Fragmentation: UInt8, Sendable {
        /// Routers may fragment.
        case allowed = 0
        /// Routers must not fragment.
        case forbidden = 1
        /// As the inner packet has it.
        case inherited = 2
    }

    /// The number that tells the tunnels of one port apart.
    public var identifier: UInt32
    /// The UDP port that the others listen on, and this host too.
    public var port: UInt16?
    /// The source address of the outer packets.
    public var local: IPAddress?
    /// A group of hosts, or one host, to which goes what no entry knows.
    public var group: IPAddress?
    /// The number of the interface by which the outer packets leave.
    public var underlay: UInt32?
    /// Whether the device notes behind which host the sender of a frame is.
    public var learns: Bool?
    /// Whether the device answers for known neighbours, and drops questions for others.
    public var isProxy: Bool?
    /// How many routers the outer packets may pass; 0 is the kernel's default.
    public var hopLimit: UInt8?
    /// Whether the outer packets take over the hop limit of the inner ones.
    public var inheritsHopLimit: Bool?
    /// The traffic class of the outer packets; 1 takes over that of the inner ones.
    public var trafficClass: UInt8?
    /// What the outer header says of fragmentation.
    public var fragmentation: Fragmentation?
    /// Whether outer packets over IPv4 have a UDP checksum.
    public var hasChecksum: Bool?
    /// Whether outer packets over IPv6 are sent without a UDP checksum.
    public var sendsZeroChecksum6: Bool?
    /// Whether outer packets over IPv6 are accepted without a UDP checksum.
    public var acceptsZeroChecksum6: Bool?

    /// Describes a device that has nothing but its number.
    public init(identifier: UInt32) { self.identifier = identifier }

    /// Reads what the kernel says of a device.
    init(_ attributes: Attributes) {
        identifier = 0
        for attribute in attributes {
            let flag = attribute.uint8.map { $0 != 0 }
            switch attribute.type {
            case IFLA_VXLAN_ID: identifier = attribute.uint32 ?? 0
            case IFLA_VXLAN_PORT: port = attribute.uint16.map { UInt16(bigEndian: $0) }
            case IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6: local = attribute.address
            case IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6: group = attribute.address
            case IFLA_VXLAN_LINK: underlay = attribute.uint32
            case IFLA_VXLAN_LEARNING: learns = flag
            case IFLA_VXLAN_PROXY: isProxy = flag
            case IFLA_VXLAN_TTL: hopLimit = attribute.uint8
            case IFLA_VXLAN_TTL_INHERIT: inheritsHopLimit = flag
            case IFLA_VXLAN_TOS: trafficClass = attribute.uint8
            case IFLA_VXLAN_DF: fragmentation = attribute.uint8.flatMap { Fragmentation(rawValue: $0) }
            case IFLA_VXLAN_UDP_CSUM: hasChecksum = flag
            case IFLA_VXLAN_UDP_ZERO_CSUM6_TX: sendsZeroChecksum6 = flag
            case IFLA_VXLAN_UDP_ZERO_CSUM6_RX: acceptsZeroChecksum6 = flag
            default: break
            }
        }
    }
}

extension MessageBatch {
    /// Adds a change of a VXLAN device: ip link set type vxlan.
    ///
    /// The kernel changes neither number nor port; the number must be the one that the device has.
    public mutating func setVXLAN(_ name: String, _ settings: VXLANSettings) {
        begin("change the tunnel \(name)", RTM_NEWLINK, 0, ifinfomsg())
        put(IFLA_IFNAME, name)
        nest(IFLA_LINKINFO) { info in
            info.put(IFLA_INFO_KIND, "vxlan")
            info.nest(IFLA_INFO_DATA) { $0.put(settings) }
        }
    }

    /// Puts what only a VXLAN device has.
    mutating func put(_ settings: VXLANSettings) {
        put(IFLA_VXLAN_ID, settings.identifier)
        if let group = settings.group { put(group.family == .v4 ? IFLA_VXLAN_GROUP : IFLA_VXLAN_GROUP6, group.bytes) }
        if let underlay = settings.underlay { put(IFLA_VXLAN_LINK, underlay) }
        if let local = settings.local { put(local.family == .v4 ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6, local.bytes) }
        if let limit = settings.hopLimit { put(IFLA_VXLAN_TTL, limit) }
        // A flag without a value: only its presence counts.
        if settings.inheritsHopLimit == true { put(IFLA_VXLAN_TTL_INHERIT, []) }
        if let trafficClass = settings.trafficClass { put(IFLA_VXLAN_TOS, trafficClass) }
        put(IFLA_VXLAN_LEARNING, settings.learns)
        put(IFLA_VXLAN_PROXY, settings.isProxy)
        if let port = settings.port { put(IFLA_VXLAN_PORT, port.bigEndian) }
        put(IFLA_VXLAN_UDP_CSUM, settings.hasChecksum)
        put(IFLA_VXLAN_UDP_ZERO_CSUM6_TX, settings.sendsZeroChecksum6)
        put(IFLA_VXLAN_UDP_ZERO_CSUM6_RX, settings.acceptsZeroChecksum6)
        if let fragmentation = settings.fragmentation { put(IFLA_VXLAN_DF, fragmentation.rawValue) }
    }

    private mutating func put(_ type: Int, _ value: Bool?) {
        if let value { put(type, UInt8(value ? 1 : 0)) }
    }
}

extension Attribute {
    /// The value as an address of 4 or 16 bytes.
    @inline(never)
    var address: IPAddress? { IPAddress(bytes: Array(value)) }

    /// The value as a hardware address.
    @inline(never)
    var mac: MACAddress? { MACAddress(bytes: Array(value)) }
}
