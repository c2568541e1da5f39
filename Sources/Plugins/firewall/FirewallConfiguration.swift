// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import JSON
import Linux

/// The keys that the plugin reads.
///
/// A wrong value is a problem of ADD, CHECK and STATUS: DEL and GC go by what is there, and nobody's mistake keeps them from
/// that.
struct FirewallConfiguration: PluginConfiguration {
    /// Who lets packets pass.
    enum Backend: String, Sendable {
        case nftables
        case iptables
        case firewalld
    }

    /// From where packets reach a container.
    enum IngressPolicy: String, Sendable {
        /// From everywhere.
        case open
        /// Not from containers on other bridges.
        case sameBridge = "same-bridge"
        /// Not from other containers.
        case isolated
    }

    /// Nothing where the host decides.
    let backend: Backend?
    let ingressPolicy: IngressPolicy
    /// Whose connections to containers are let pass.
    let admitFrom: [Prefix]
    let adminChain: String
    let zone: String
    private var problem: ConfigError?

    init(_ node: ConfigNode) throws(ConfigError) {
        do {
            try self.init(valid: node)
        } catch {
            try self.init(valid: ConfigNode(.object(JSONObject())))
            problem = error
        }
    }

    /// Whether firewalld decides on this host.
    var usesFirewalld: Bool { backend == .firewalld || backend == nil && FirewalldBackend.isRunning }

    /// Refuses to go on with a wrong value, or with one that cannot be heeded on this host.
    func validate() throws(CNIError) {
        if let problem { throw .configuration(problem) }
        if admitFrom.isEmpty || !usesFirewalld { return }
        // As a source of the zone it would reach the whole host, and would have to outlive the container that named it.
        let sources = admitFrom.map { " --add-source=" + $0.description }.joined(separator: "")
        throw .configuration(
            ConfigError(
                path: "admitFrom",
                problem: "firewalld decides here, and admits a network to the whole host or not at all: leave the key "
                    + "out on this host and, if that is wanted, run firewall-cmd --zone=" + zone + sources
                    + ", and once more with --permanent"
            )
        )
    }

    private init(valid node: ConfigNode) throws(ConfigError) {
        if let named = try node.member("backend"), case let name = try named.string(), !name.isEmpty {
            guard let known = Backend(rawValue: name) else {
                throw named.fails("unknown backend \"\(name)\"; there are nftables, iptables and firewalld")
            }
            backend = known
        } else {
            backend = nil
        }
        if let named = try node.member("ingressPolicy"), case let name = try named.string(), !name.isEmpty {
            guard let known = IngressPolicy(rawValue: name) else {
                throw named.fails("unknown ingress policy: \"\(name)\"; there are open, same-bridge and isolated")
            }
            ingressPolicy = known
        } else {
            ingressPolicy = .open
        }
        admitFrom = try node.prefixes("admitFrom")
        adminChain = try node.text("iptablesAdminChainName") ?? "CNI-ADMIN"
        zone = try node.text("firewalldZone") ?? "trusted"
    }
}

extension ConfigNode {
    /// A text without blanks, which iptables and D-Bus would take for two; nothing if it is missing or empty.
    fileprivate func text(_ key: String) throws(ConfigError) -> String? {
        guard let node = try member(key), case let text = try node.string(), !text.isEmpty else { return nil }
        if text.utf8.contains(where: { $0 <= 0x20 || $0 == UInt8(ascii: "\"") }) {
            throw node.fails("\"\(text)\" holds a blank or a quotation mark")
        }
        return text
    }
}
