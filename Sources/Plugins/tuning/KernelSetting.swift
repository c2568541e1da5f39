// SPDX-License-Identifier: Apache-2.0

import CNI
import JSON
import Linux

/// A kernel setting that the configuration asks for.
struct KernelSetting {
    /// The key as it is written in the configuration.
    let key: String
    /// The value to be written.
    let value: String
    /// The place in the configuration.
    let place: String

    /// Reads a map of settings, in its order.
    static func read(_ node: ConfigNode?) throws(ConfigError) -> [KernelSetting] {
        guard let node else { return [] }
        var settings: [KernelSetting] = []
        for (key, member) in try node.members() {
            if settings.contains(where: { $0.key == key }) {
                throw member.fails("duplicated sysctl keys are not allowed")
            }
            settings.append(KernelSetting(key: key, value: try member.string(), place: member.path))
        }
        return settings
    }

    /// The path below /proc/sys, with the interface's name in it.
    ///
    /// The name comes after the dots have become slashes, so one with dots stays whole. Nothing but settings of the network
    /// can be reached: they alone belong to the container's namespace.
    func path(for interface: String) throws(CNIError) -> String {
        var bytes = key.utf8.map { $0 == UInt8(ascii: ".") ? UInt8(ascii: "/") : $0 }
        let placeholder = Array("IFNAME".utf8)
        if let start = bytes.indices.first(where: { bytes[$0...].starts(with: placeholder) }) {
            bytes.replaceSubrange(start..<start + placeholder.count, with: Array(interface.utf8))
        }
        var parts: [String] = []
        for part in bytes.split(separator: UInt8(ascii: "/")) {
            switch String(decoding: part, as: UTF8.self) {
            case ".": break
            case "..": _ = parts.popLast()
            case let name: parts.append(name)
            }
        }
        guard parts.count > 1, parts[0] == "net", !bytes.contains(0) else {
            throw CNIError(
                .invalidConfiguration,
                "invalid net sysctl key: \"\(String(decoding: bytes, as: UTF8.self))\"",
                "\(place): only settings below net can be set, such as net.ipv4.conf.IFNAME.arp_notify"
            )
        }
        return parts.joined(separator: "/")
    }
}

/// A kernel setting whose place is known.
struct PlacedSetting {
    /// What the configuration asks for.
    let setting: KernelSetting
    /// The path below /proc/sys.
    let path: String

    /// What the setting is in the namespace of the calling thread; nothing if it can only be written.
    ///
    /// - Throws: If the kernel has no such setting.
    func current() throws(CNIError) -> String? {
        do { return try Sysctl.read(path) } catch {
            if error == .notPermitted || error == .permissionDenied { return nil }
            throw CNIError(
                .kernel,
                "cannot read the kernel setting \(path)",
                "\(setting.place): \(error.description); sysctl -a in the container's namespace shows what there is"
            )
        }
    }

    /// Gives the setting a value in the namespace of the calling thread.
    ///
    /// It is written even if it has the value, because one that stands for all interfaces may still change some of them.
    func write(_ value: String) throws(CNIError) {
        do { try Sysctl.write(path, value) } catch {
            // In a container whose /proc is read-only, what is right already is no error.
            if let present = try? Sysctl.read(path), Self.isSame(present, value) { return }
            throw CNIError(
                .kernel,
                "cannot set the kernel setting \(path) to \"\(value)\"",
                "\(setting.place): \(error.description)"
            )
        }
    }

    /// Whether two values say the same: the kernel puts tabs between numbers.
    static func isSame(_ left: String, _ right: String) -> Bool { words(left) == words(right) }

    private static func words(_ value: String) -> [String] {
        let spaces = [UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n")]
        return value.utf8.split { spaces.contains($0) }.map { String(decoding: Array($0), as: UTF8.self) }
    }
}
