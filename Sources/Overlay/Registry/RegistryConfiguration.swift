// SPDX-License-Identifier: Apache-2.0

import Addressing
import JSON

/// What a registry says of a whole network, in Flannel's format.
public struct RegistryConfiguration: Equatable, Sendable {
    /// How packets get from host to host.
    public enum Backend: Equatable, Sendable {
        /// Through a tunnel with this number and port, and past it to hosts on the same link if `direct`.
        case vxlan(identifier: UInt32, port: UInt16, direct: Bool)
        /// By plain routes, because all hosts are on one link.
        case hostGateway

        /// The name in leases.
        public var name: String { self == .hostGateway ? "host-gw" : "vxlan" }
    }

    /// What hosts can have of IPv4, and of IPv6 if that is wanted.
    public let pools: [SubnetPool]
    /// How packets get from host to host.
    public let backend: Backend
    /// The MTU of the underlay, if it is another than that of the interface.
    public let mtu: UInt32?

    /// The networks of all hosts.
    public var networks: [Prefix] { pools.map { $0.network } }

    /// Reads the value of the key config.
    public init(_ value: [UInt8], path: String) throws(ConfigError) {
        let json: JSON
        do { json = try JSON.parse(value) } catch { throw ConfigError(path: path, problem: error.description) }
        let node = ConfigNode(json, path: path)
        guard try node.bool("EnableIPv4") ?? true, let pool = try SubnetPool(node, "", defaultLength: 24) else {
            throw node.fails("Network is missing: hosts are told apart by a subnet of IPv4, such as of 10.5.0.0/16")
        }
        var pools = [pool]
        if try node.bool("EnableIPv6") ?? false {
            guard let pool = try SubnetPool(node, "IPv6", defaultLength: 64) else {
                throw node.fails("IPv6Network is missing")
            }
            pools.append(pool)
        }
        self.pools = pools
        let data = try node.member("Backend")
        switch try data?.string("Type") ?? "udp" {
        case "vxlan":
            let identifier = try data?.integer("VNI", in: 1...0xFF_FFFF) ?? 1
            let port = try data?.integer("Port", in: 0...65535) ?? 0
            backend = .vxlan(
                identifier: UInt32(identifier),
                // 0 leaves it to the kernel, which takes this one.
                port: port == 0 ? 8472 : UInt16(port),
                direct: try data?.bool("DirectRouting") ?? false
            )
        case "host-gw":
            // The others would have subnets of IPv6, and nobody a way there.
            if pools.count > 1 {
                throw node.fails(
                    "EnableIPv6: host-gw leads over the hosts' addresses, which are published in one version of IP only; "
                        + "set EnableIPv6 to false, or Backend.Type to vxlan"
                )
            }
            backend = .hostGateway
        case let type:
            throw node.fails("Backend.Type: \"\(type)\" is neither vxlan nor host-gw, which this host can do")
        }
        mtu = try data?.integer("MTU", in: 0...65535).flatMap { $0 == 0 ? nil : UInt32($0) }
        // The kernel has no IPv4 on an interface below 68 and no IPv6 below 1280, and the tunnel's own headers come on top.
        let least: UInt32 = (pools.count == 1 ? 68 : 1280) + (backend == .hostGateway ? 0 : 50)
        if let mtu, mtu < least { throw node.fails("Backend.MTU: must be at least \(least), not \(mtu)") }
    }

    /// Whether subnets are what a host of this network has.
    public func allows(_ subnets: [Prefix]) -> Bool {
        guard subnets.count == pools.count else { return false }
        return zip(pools, subnets).allSatisfy { $0.contains($1) }
    }

    /// Subnets that nobody has, of those that this host had each that still fits; nothing if there are none.
    public func choose(besides used: [Prefix], keeping old: [Prefix] = [], _ entropy: UInt64) -> [Prefix]? {
        var subnets: [Prefix] = []
        for pool in pools {
            let kept = old.first { own in pool.contains(own) && !used.contains { $0.overlaps(own) } }
            guard let subnet = kept ?? pool.choose(besides: used, entropy) else { return nil }
            subnets.append(subnet)
        }
        return subnets
    }
}
