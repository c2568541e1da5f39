// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Etcd
import Interfaces
import JSON
import Linux
import Overlay

/// What the daemon reads of the network's file, which is the plugin's as well.
struct AgentConfiguration {
    /// The name of the network.
    let network: String
    /// Where the registry is.
    let etcd: EtcdSettings
    /// What the registry's keys begin with, without a slash at the end.
    let prefix: String
    /// How long the registry keeps the subnet for a host that it does not hear of.
    let leaseSeconds: Int
    /// How often the member of the registry is asked whether it lives; nothing if the number of hosts decides.
    let heartbeatMilliseconds: Int?
    /// How often everything is compared with the registry and the kernel.
    let resyncMilliseconds: Int
    /// Where the plugin's file is.
    let runDirectory: String
    /// Where the daemon remembers what it had.
    let stateDirectory: String
    /// Flannel's file; empty if nobody wants it.
    let subnetFile: String
    let master: String?
    let local: IPAddress?
    let mtu: UInt32?
    let device: String?
    let masquerades: Bool
    let checksumOffload: Bool?

    /// Reads the file.
    init(_ options: Options) throws(ConfigError) {
        let bytes: [UInt8]
        do { bytes = try FileDescriptor.open(options.file).readAll() } catch {
            throw ConfigError(
                path: options.file,
                problem: "\(error.description); name the network's file with --config"
            )
        }
        let json: JSON
        do { json = try JSON.parse(bytes) } catch { throw ConfigError(path: options.file, problem: error.description) }
        do throws(ConfigError) {
            let root = ConfigNode(json)
            guard let name = try root.string("name"), Names.isIdentifier(name) else {
                throw root.fails("name is missing or is not a name for a network")
            }
            network = name
            let plugin = try Self.plugin(root, options)
            guard let registry = try plugin.member("registry") else {
                throw plugin.fails("registry is missing: {\"type\": \"etcd\", \"endpoints\": […]}")
            }
            guard try registry.string("type") == "etcd" else { throw registry.fails("type must be \"etcd\"") }
            etcd = try EtcdSettings(registry)
            prefix = Self.trimmed(try registry.string("prefix") ?? "/coreos.com/network")
            leaseSeconds = max(1, (try registry.milliseconds("leaseTTL") ?? 86_400_000) / 1000)
            heartbeatMilliseconds = try registry.milliseconds("heartbeat")
            resyncMilliseconds = try registry.milliseconds("resync") ?? 300_000
            runDirectory = try registry.string("runDir") ?? RegistryFile.directory
            stateDirectory = try registry.string("stateDir") ?? "/var/lib/swift-cni/overlay"
            subnetFile = try plugin.string("subnetFile") ?? "/run/flannel/subnet.env"
            master = try plugin.interfaceName("master")
            local = try plugin.address("local")
            mtu = try plugin.integer("mtu", in: 0...65535).flatMap { $0 == 0 ? nil : UInt32($0) }
            device = try plugin.interfaceName("device")
            masquerades = try plugin.bool("ipMasq") ?? false
            checksumOffload = try plugin.offload("txChecksumOffload")
        } catch {
            throw ConfigError(path: "\(options.file): \(error.path)", problem: error.problem)
        }
    }

    /// The object of the plugin, with what the command line puts into it.
    private static func plugin(_ root: ConfigNode, _ options: Options) throws(ConfigError) -> ConfigNode {
        var found: ConfigNode?
        for node in try root.elements("plugins") ?? [root] where try node.string("type") == "vxlan" {
            if try node.member("registry") != nil { found = node }
        }
        guard let found, case .object(var plugin) = found.json else {
            throw root.fails("there is no plugin \"vxlan\" with an object registry")
        }
        for (key, value) in options.replaced { plugin[key] = .string(value) }
        if case .object(var registry)? = plugin["registry"] {
            for (key, value) in options.replacedInRegistry { registry[key] = value }
            plugin["registry"] = .object(registry)
        }
        return ConfigNode(.object(plugin), path: found.path)
    }

    private static func trimmed(_ prefix: String) -> String {
        var bytes = Array(prefix.utf8)
        while bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}
