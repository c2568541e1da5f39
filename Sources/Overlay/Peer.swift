// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import JSON

/// A host of the overlay as the others know it.
public struct Peer: Equatable, Sendable {
    /// A container whose addresses are known, so that nobody has to ask for them.
    public struct Endpoint: Hashable, Sendable {
        /// The address of the container.
        public let address: IPAddress
        /// The hardware address of the container.
        public let mac: MACAddress

        /// Makes an entry.
        public init(_ address: IPAddress, mac: MACAddress) { (self.address, self.mac) = (address, mac) }
    }

    /// The addresses by which the host is reached on the underlay, at most one of each family.
    public var publicIPs: [IPAddress]
    /// The subnets of the host's containers.
    public var subnets: [Prefix]
    /// The hardware address of the host's end of the tunnel, if it does not follow from its address.
    public var vtepMAC: MACAddress?
    /// The containers of the host whose addresses are known.
    public var endpoints: [Endpoint] = []
    /// The place in the configuration, for errors.
    let place: String

    /// Makes a host.
    public init(_ publicIPs: [IPAddress], subnets: [Prefix], vtepMAC: MACAddress? = nil, place: String) {
        (self.publicIPs, self.subnets, self.vtepMAC, self.place) = (publicIPs, subnets, vtepMAC, place)
    }

    /// The address of a family.
    public func publicIP(_ family: IPAddress.Family) -> IPAddress? { publicIPs.first { $0.family == family } }
}

extension MACAddress {
    /// The hardware address that follows from the number of a tunnel and an address, so that nobody has to be told it.
    ///
    /// An end of the tunnel has that of its host's address, unless somebody says otherwise.
    public static func following(_ address: IPAddress, in identifier: UInt32) -> MACAddress {
        let digits = SHA512.hexadecimal(of: Array("\(identifier)/\(address.description)".utf8)).utf8.prefix(12)
        let bits = digits.reduce(0 as UInt64) { $0 << 4 | UInt64($1 < 58 ? $1 - 48 : $1 - 87) }
        return .locallyAdministered(bits)
    }
}

extension Peer {
    /// Reads a host, with the keys of Flannel's leases or with our own shorter ones.
    ///
    /// - Returns: Nothing if the host takes part by other means than a tunnel.
    static func read(_ node: ConfigNode, identifier: UInt32) throws(ConfigError) -> Peer? {
        if let type = try node.string("backendType"), !type.isEmpty, type != "vxlan" { return nil }
        var addresses: [IPAddress] = []
        for key in ["publicIP", "publicIPv6"] {
            guard let address = try node.address(key) else { continue }
            if address.isMulticast || address.isUnspecified || address.isLoopback {
                throw node.fails(key + ": " + address.description + " is not the address of a host")
            }
            if !addresses.contains(where: { $0.family == address.family }) { addresses.append(address) }
        }
        guard !addresses.isEmpty else { throw node.fails("publicIP is missing") }
        var peer = Peer(addresses, subnets: try node.prefixes("subnet"), place: node.path)
        peer.subnets += try node.prefixes("ipv6Subnet")
        let data = try node.member("backendData")
        if let number = try data?.integer("vni", in: 0...Int64(UInt32.max)), number != Int64(identifier) {
            throw node.fails("backendData.VNI is \(number), and this network's is \(identifier)")
        }
        for holder in [node, data] {
            if let mac = try holder?.mac("vtepMAC") { peer.vtepMAC = peer.vtepMAC ?? mac }
        }
        for entry in try node.elements("endpoints") ?? [] {
            guard let address = try entry.address("address"), let mac = try entry.mac("mac") else {
                throw entry.fails("address and mac must be given")
            }
            peer.endpoints.append(Endpoint(address, mac: mac))
        }
        return peer
    }
}

extension ConfigNode {
    /// The hardware address of one interface, or nothing if the key is missing or empty.
    func mac(_ key: String) throws(ConfigError) -> MACAddress? {
        guard let node = try member(key), case let text = try node.string(), !text.isEmpty else { return nil }
        guard let mac = MACAddress(text), !mac.isMulticast, !mac.isZero else {
            throw node.fails(
                "\"" + text + "\" is not the hardware address of one interface, such as 02:00:c0:a8:09:02"
            )
        }
        return mac
    }
}
