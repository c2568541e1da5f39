// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import JSON

/// The keys that the plugin reads.
///
/// Only the form is looked at here: a DEL must not fail because of a value that only ADD uses.
struct TuningConfiguration: PluginConfiguration {
    /// Where the values from before are kept.
    var dataDir = "/run/cni/tuning"
    /// The kernel settings, each of them once.
    private var settings: [KernelSetting] = []
    /// Kernel settings that come with the call, which replace those of the configuration.
    private var requestedSettings: [KernelSetting] = []
    /// What the interface shall be like, apart from its hardware address.
    private var properties: [LinkProperty] = []
    /// The hardware address in the configuration itself, which counts least.
    private var ownMAC: ConfigNode?
    /// The hardware address from the runtime's capability, which counts more than CNI_ARGS.
    private var runtimeMAC: ConfigNode?
    /// The hardware address among the arguments of the call, which counts most, even if it is empty.
    private var requestedMAC: ConfigNode?

    init(_ node: ConfigNode) throws(ConfigError) {
        if let directory = try node.string("dataDir"), !directory.isEmpty { dataDir = directory }
        settings = try KernelSetting.read(try node.member("sysctl"))
        properties = try .read(node)
        ownMAC = try node.text("mac")
        runtimeMAC = try node.member("runtimeConfig")?.text("mac")
        guard let arguments = try node.member("args")?.member("cni") else { return }
        requestedSettings = try KernelSetting.read(try arguments.member("sysctl"))
        properties = try [LinkProperty].read(arguments).filled(from: properties)
        requestedMAC = try arguments.text("mac")
    }

    /// What is to be done for an attachment, in order; all of it is validated.
    func plan(for request: Request<Self>) throws(CNIError) -> (properties: [LinkProperty], settings: [PlacedSetting]) {
        var wanted: [LinkProperty] = []
        if let mac = try mac(try request.arguments(known: ["MAC"])["MAC"] ?? "") { wanted.append(.mac(mac)) }
        for property in properties {
            // These two mean, as they do in the reference, that nobody asked for anything.
            if property == .promiscuous(false) || property == .mtu(0) { continue }
            wanted.append(property)
        }
        return (wanted, try placedSettings(for: request.attachment.interface))
    }

    /// The hardware address: from the configuration, CNI_ARGS, runtimeConfig, args.cni; the later ones win.
    private func mac(_ argument: String) throws(CNIError) -> MACAddress? {
        var (text, place) = (argument, "CNI_ARGS: MAC")
        let runtime = runtimeMAC.flatMap { $0.json == "" ? nil : $0 }
        if let node = requestedMAC ?? runtime ?? (argument.isEmpty ? ownMAC : nil) {
            do { (text, place) = (try node.string(), node.path) } catch { throw .configuration(error) }
        }
        return text.isEmpty ? nil : try MACAddress(text, at: place, problem: "invalid args \(text) for MAC addr")
    }

    /// The kernel settings with their paths; those of the call replace those of the configuration.
    private func placedSettings(for interface: String) throws(CNIError) -> [PlacedSetting] {
        var placed: [PlacedSetting] = []
        for (list, isRequest) in [(settings, false), (requestedSettings, true)] {
            for setting in list {
                let new = PlacedSetting(setting: setting, path: try setting.path(for: interface))
                guard let index = placed.firstIndex(where: { $0.path == new.path }) else {
                    placed.append(new)
                    continue
                }
                let old = placed[index]
                if isRequest && settings.contains(where: { $0.place == old.setting.place }) {
                    placed[index] = new
                } else if !PlacedSetting.isSame(old.setting.value, setting.value) {
                    throw CNIError(
                        .invalidConfiguration,
                        "duplicated sysctl keys are not allowed",
                        "\(setting.place) and \(old.setting.place) are the same setting, with different values"
                    )
                }
            }
        }
        return placed
    }
}

extension ConfigNode {
    /// The member with this key, which must be a string if it is there.
    fileprivate func text(_ key: String) throws(ConfigError) -> ConfigNode? {
        guard let node = try member(key) else { return nil }
        _ = try node.string()
        return node
    }
}
