// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import JSON
import Linux

/// What the registry gave this host, as the agent writes it for the plugin.
public struct RegistryFile: Sendable {
    /// The networks of all hosts.
    public var networks: [Prefix]
    /// The subnets of this host.
    public var subnets: [Prefix]
    /// The largest packet of all interfaces of the network.
    public var mtu: UInt32
    /// The address by which the others reach this host.
    public var publicIP: IPAddress
    /// The tunnel, or the interface of the underlay where there is none.
    public var device: String
    /// When the registry last heard of this host.
    public var heard: RegistryWord
    /// How many seconds later the subnet is lost, unless the registry hears of this host again; nothing if never.
    public var lasts: Int64?

    /// Describes what this host has.
    public init(
        networks: [Prefix],
        subnets: [Prefix],
        mtu: UInt32,
        publicIP: IPAddress,
        device: String,
        heard: RegistryWord,
        lasts: Int64?
    ) {
        (self.networks, self.subnets, self.mtu) = (networks, subnets, mtu)
        (self.publicIP, self.device) = (publicIP, device)
        (self.heard, self.lasts) = (heard, lasts)
    }

    /// Where the file of a network is.
    public static func path(_ directory: String, network: String) -> String { "\(directory)/\(network).json" }

    /// The directory unless the configuration says otherwise.
    public static var directory: String { "/run/swift-cni/overlay" }

    /// Reads the file of a network; what is missing or too old may come, so the caller says what kind of failure that is.
    @inline(never)
    public static func read(
        _ directory: String,
        network: String,
        missing: CNIError.Kind
    ) throws(CNIError) -> RegistryFile {
        let path = path(directory, network: network)
        let bytes: [UInt8]
        do { bytes = try FileDescriptor.open(path).readAll() } catch {
            if error != .noSuchFile && error != .notDirectory { throw .inputOutput(error, "read \(path)") }
            throw CNIError(
                missing,
                "this host has no subnet of \(network) yet",
                "\(path) is missing: overlayd writes it as soon as the registry gives it a subnet; is it running?"
            )
        }
        let file: RegistryFile
        do throws(ConfigError) { file = try RegistryFile(bytes, path: path) } catch { throw .configuration(error) }
        let age = file.heard.age
        if let lasts = file.lasts, age >= lasts {
            throw CNIError(
                missing == .notReady ? .limited : missing,
                "this host's subnet of \(network) has expired",
                "overlayd last reached the registry \(age) s ago, and \(lasts) s was the limit (\(path)): is it running, "
                    + "and is the registry there? another host may have the subnet now"
            )
        }
        return file
    }

    @inline(never)
    private init(_ bytes: [UInt8], path: String) throws(ConfigError) {
        let json: JSON
        do { json = try JSON.parse(bytes) } catch { throw ConfigError(path: path, problem: error.description) }
        let node = ConfigNode(json, path: path)
        guard let publicIP = try node.address("publicIP"), let mtu = try node.integer("mtu", in: 68...65535) else {
            throw node.fails("it is not complete")
        }
        guard let heard = try node.member("heard") else { throw node.fails("heard is missing; restart overlayd") }
        self.init(
            networks: try node.prefixes("network"),
            subnets: try node.prefixes("subnet"),
            mtu: UInt32(mtu),
            publicIP: publicIP,
            device: try node.string("device") ?? "",
            heard: try RegistryWord(heard),
            lasts: try node.integer("lasts", in: 0...Int64.max)
        )
    }

    /// The content of the file.
    public var bytes: [UInt8] {
        var object = JSONObject([
            .init("network", .string(networks.map { $0.description }.joined(separator: ","))),
            .init("subnet", .string(subnets.map { $0.description }.joined(separator: ","))),
            .init("mtu", .int(Int(mtu))), .init("publicIP", .string(publicIP.description)),
            .init("device", .string(device)), .init("heard", heard.json),
        ])
        if let lasts { object.append("lasts", .number("\(lasts)")) }
        return JSON.object(object).serialize(indent: 4) + [UInt8(ascii: "\n")]
    }

    /// The same for everybody who reads Flannel's file.
    public func environment(masquerades: Bool) -> [UInt8] {
        Self.environment(networks, subnets) + Array("FLANNEL_MTU=\(mtu)\nFLANNEL_IPMASQ=\(masquerades)\n".utf8)
    }

    /// With what Flannel's file begins for a host.
    public static func environment(_ networks: [Prefix], _ subnets: [Prefix]) -> [UInt8] {
        var text = ""
        for (network, subnet) in zip(networks, subnets) {
            let family = network.address.family == .v4 ? "" : "IPV6_"
            let gateway = subnet.network.successor ?? subnet.network
            text += "FLANNEL_\(family)NETWORK=\(network.description)\n"
            text += "FLANNEL_\(family)SUBNET=\(gateway.description)/\(subnet.length)\n"
        }
        return Array(text.utf8)
    }
}
