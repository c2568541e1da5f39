// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import JSON

/// The hardware address that somebody wants the container's end to have.
///
/// There are three ways to ask for it: CNI_ARGS, then args.cni, then runtimeConfig; later ones win.
public struct RequestedMAC: Sendable {
    private var nodes: [ConfigNode] = []

    /// Describes that nothing is asked for in a configuration.
    public init() {}

    /// Reads the two ways that come with the configuration.
    public init(_ node: ConfigNode) throws(ConfigError) {
        for holder in [try node.member("runtimeConfig"), try node.member("args")?.member("cni")] {
            if let mac = try holder?.member("mac"), try mac.string() != "" { nodes.append(mac) }
        }
    }

    /// The address, or nothing if nobody asks for one.
    public func address<C: PluginConfiguration>(_ request: Request<C>) throws(CNIError) -> MACAddress? {
        let arguments = try request.arguments(known: ["MAC"])
        let text: String
        let place: String
        if let node = nodes.first {
            do { text = try node.string() } catch { throw .configuration(error) }
            place = node.path
        } else {
            text = arguments["MAC"] ?? ""
            place = "CNI_ARGS: MAC"
        }
        return text.isEmpty ? nil : try MACAddress(text, at: place, problem: "invalid hardware address")
    }
}

extension MACAddress {
    /// Reads the address that an interface shall have, as it stands at a place of the configuration.
    public init(_ text: String, at place: String, problem: String) throws(CNIError) {
        guard let mac = MACAddress(text), !mac.isMulticast, !mac.isZero else {
            throw CNIError(
                .invalidConfiguration,
                problem,
                "\(place): \"\(text)\" is not the address of one Ethernet interface, such as 02:00:0a:16:00:07"
            )
        }
        self = mac
    }
}

extension ConfigNode {
    /// The name of an interface, or nothing if the key is missing or empty.
    public func interfaceName(_ key: String) throws(ConfigError) -> String? {
        guard let node = try member(key), case let text = try node.string(), !text.isEmpty else { return nil }
        if let problem = Names.problem(ofInterface: text) { throw node.fails("\"\(text)\": \(problem)") }
        return text
    }
}
