// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import JSON
import Linux
import NFTables

/// The keys that the plugin reads.
///
/// They are read when ADD or CHECK need them: a DEL goes by what is in the packet filter, and nobody's mistake keeps it from
/// that.
struct PortmapConfiguration: PluginConfiguration {
    private let node: ConfigNode

    init(_ node: ConfigNode) throws(ConfigError) { self.node = node }

    /// The mappings, of which some may be for addresses that the container doesn't have.
    func mappings() throws(ConfigError) -> [PortMapping] {
        var mappings: [PortMapping] = []
        guard let config = try node.member("runtimeConfig"), let nodes = try config.elements("portMappings") else {
            return []
        }
        mappings.reserveCapacity(nodes.count)
        for node in nodes { mappings.append(try PortMapping(node)) }
        mappings.sort(by: PortMapping.precedes)
        var unique: [PortMapping] = []
        unique.reserveCapacity(mappings.count)
        for mapping in mappings where unique.last != mapping {
            if let last = unique.last, last.isRival(of: mapping) {
                throw ConfigError(
                    path: "runtimeConfig.portMappings",
                    problem:
                        "\(mapping.description) leads to two ports: \(last.containerPort) and \(mapping.containerPort)"
                )
            }
            unique.append(mapping)
        }
        return unique
    }

    /// How the mappings are to be made.
    func style() throws(ConfigError) -> Style { try Style(node) }
}

/// Who makes the mappings, and what is done to the packets besides.
struct Style: Sendable {
    /// Who keeps the rules.
    enum Backend: String, Sendable {
        case nftables
        case iptables
    }

    var backend = Backend.nftables
    /// Whether those who would not see an answer otherwise are masqueraded.
    let snat: Bool
    /// Whether everybody is.
    let masqAll: Bool
    /// The mark by which iptables recognises what is to be masqueraded.
    let mark: UInt32
    /// The chain of somebody else that sets a mark instead.
    let externalSetMarkChain: String?
    /// What packets must fulfil, in the language of the backend.
    private let conditions: (v4: [String], v6: [String])

    init(_ node: ConfigNode) throws(ConfigError) {
        snat = try node.bool("snat") ?? true
        masqAll = try node.bool("masqAll") ?? false
        let bit = try node.integer("markMasqBit", in: 0...31)
        mark = 1 << UInt32(bit ?? 13)
        externalSetMarkChain = try node.string("externalSetMarkChain").flatMap { $0.isEmpty ? nil : $0 }
        if bit != nil && externalSetMarkChain != nil {
            throw node.fails("Cannot specify externalSetMarkChain and markMasqBit")
        }
        conditions = (try node.strings("conditionsV4") ?? [], try node.strings("conditionsV6") ?? [])
        // What only one of the two understands decides, where nothing else does.
        var (onlyIPTables, onlyNFTables): ([String], [String]) = ([], [])
        if externalSetMarkChain != nil { onlyIPTables.append("externalSetMarkChain") }
        if bit != nil { onlyIPTables.append("markMasqBit") }
        for (key, words) in [("conditionsV4", conditions.v4), ("conditionsV6", conditions.v6)] {
            guard let first = words.first?.utf8.first else { continue }
            if first == UInt8(ascii: "-") || first == UInt8(ascii: "!") {
                onlyIPTables.append(key)
            } else {
                onlyNFTables.append(key)
            }
        }
        if let named = try node.member("backend"), case let name = try named.string(), !name.isEmpty {
            guard let known = Backend(rawValue: name) else {
                throw named.fails("unrecognized backend \"\(name)\"; there are nftables and iptables")
            }
            backend = known
        } else if !onlyIPTables.isEmpty {
            backend = .iptables
        }
        let wrong = backend == .iptables ? onlyNFTables : onlyIPTables.filter { $0 != "markMasqBit" }
        guard wrong.isEmpty else {
            let other = backend == .iptables ? "nftables" : "iptables"
            throw node.fails(
                "\(backend.rawValue) backend was requested but configuration contains \(other)-specific options "
                    + "[\(wrong.joined(separator: " "))]"
            )
        }
    }

    /// The conditions of a family as one text.
    func conditions(_ family: IPAddress.Family) -> String {
        (family == .v4 ? conditions.v4 : conditions.v6).joined(separator: " ")
    }
}
