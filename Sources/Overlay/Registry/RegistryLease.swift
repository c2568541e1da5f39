// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import JSON
import Linux

/// What a registry says of a host: the part of the network that it has, and how it is reached, in Flannel's format.
public struct RegistryLease: Equatable, Sendable {
    /// The subnets of the host's containers: one of IPv4, and perhaps one of IPv6.
    public internal(set) var subnets: [Prefix]
    /// The address by which the host is reached.
    public var publicIP: IPAddress
    /// The address of IPv6 that Flannel's hosts are told besides; it is only written, because there is one tunnel for both versions.
    public var publicIPv6: IPAddress?
    /// How packets get there: vxlan, host-gw, or something that only others know.
    public var backend: String
    /// The number of the tunnel, if there is one.
    public var identifier: UInt32?
    /// The hardware address of the host's end of the tunnel.
    public var vtepMAC: MACAddress?

    /// Makes a lease.
    public init(subnets: [Prefix], publicIP: IPAddress, backend: String) {
        (self.subnets, self.publicIP, self.backend) = (subnets, publicIP, backend)
    }

    /// Reads a lease of its key, without what precedes it, and its value.
    public init(key: String, value: [UInt8]) throws(ConfigError) {
        guard let subnets = Self.subnets(key: key) else {
            throw ConfigError(path: key, problem: "the key is not like 10.5.34.0-24")
        }
        let json: JSON
        do { json = try JSON.parse(value) } catch { throw ConfigError(path: key, problem: error.description) }
        let node = ConfigNode(json, path: key)
        guard let address = try node.address("PublicIP") else { throw node.fails("PublicIP is missing") }
        let isForAll = address.family == .v4 && address.bits == UInt128(UInt32.max)
        if address.isUnspecified || address.isMulticast || address.isLoopback || isForAll {
            throw node.fails("PublicIP: \(address.description) is not the address of a host")
        }
        self.init(subnets: subnets, publicIP: address, backend: try node.string("BackendType") ?? "")
        guard let data = try node.member("BackendData") else { return }
        identifier = try data.integer("VNI", in: 0...0xFF_FFFF).map { UInt32($0) }
        vtepMAC = try data.mac("VtepMAC")
    }

    /// The value, in one line and in Flannel's order.
    public var value: [UInt8] {
        var object = JSONObject([
            .init("PublicIP", .string(publicIP.description)),
            .init("PublicIPv6", publicIPv6.map { .string($0.description) } ?? .null),
            .init("BackendType", .string(backend)),
        ])
        var data = JSON.null
        if let identifier, let vtepMAC {
            data = ["VNI": .int(Int(identifier)), "VtepMAC": .string(vtepMAC.description)]
        }
        object.append("BackendData", data)
        // Where it is, Flannel's daemon takes the address for granted.
        if publicIPv6 != nil { object.append("BackendV6Data", data) }
        return JSON.object(object).serialize()
    }

    /// The key, without what precedes it.
    public var key: String { Self.key(subnets) }

    /// The key of subnets: each with a hyphen for the slash, and "&" between them.
    public static func key(_ subnets: [Prefix]) -> String {
        subnets.map { "\($0.network.description)-\($0.length)" }.joined(separator: "&")
    }

    /// The subnets of a key; nothing if it is not one.
    public static func subnets(key: String) -> [Prefix]? {
        var subnets: [Prefix] = []
        for part in key.utf8.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false) {
            var bytes = Array(part)
            guard let hyphen = bytes.lastIndex(of: UInt8(ascii: "-")) else { return nil }
            bytes[hyphen] = UInt8(ascii: "/")
            guard let prefix = Prefix(String(decoding: bytes, as: UTF8.self)), prefix.isNetwork else { return nil }
            subnets.append(prefix)
        }
        return subnets
    }
}
