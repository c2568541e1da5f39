// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import JSON
import NFTables

/// The rules by which what containers send beyond their network leaves the host with the host's address.
///
/// One look-up by source address leads to the chain of the container's network, however many there are. A host that wants its rules in
/// iptables gets those of the reference, by name and form, so that either suite removes what the other one made.
public struct Masquerade: Sendable {
    /// Who keeps the rules.
    public enum Backend: String, Sendable {
        case nftables
        case iptables
    }

    static var table: SharedTable {
        // One rule in each chain.
        SharedTable("inet swift_cni_masquerade", idleUse: 1) { base in
            base.add(.map("sources4", "type ipv4_addr : verdict;"))
            base.add(.map("sources6", "type ipv6_addr : verdict;"))
            base.add(.chain("postrouting", "type nat hook postrouting priority srcnat; policy accept;"))
            base.add(.rule(in: "postrouting", "ip saddr vmap @sources4"))
            base.add(.rule(in: "postrouting", "ip6 saddr vmap @sources6"))
        }
    }

    let attachment: Attachment

    /// Plans the rules of an attachment.
    public init(_ attachment: Attachment) { self.attachment = attachment }

    /// Adds the rules for the addresses of a container.
    ///
    /// An attachment that still has one of the addresses here is dead, because IPAM has given the address away again.
    public func add(_ addresses: [Prefix], _ backend: Backend, undo: inout UndoStack) throws(CNIError) {
        switch backend {
        case .nftables:
            try CNIError.rules { () throws(RulesError) in
                try Self.table.add(attachment, belongings(addresses), yields: SharedTable.everybody)
            }
        case .iptables:
            for family in Self.families(addresses) { try addToIPTables(addresses, family) }
        }
        let masquerade = self
        try undo.push("stop masquerading " + attachment.owner) { () throws(CNIError) in try masquerade.remove() }
    }

    /// Removes the rules, wherever they are; the configuration may have changed since ADD.
    public func remove() throws(CNIError) {
        var effort = BestEffort()
        effort.attempt { () throws(CNIError) in
            try CNIError.removingRules { () throws(RulesError) in _ = try Self.table.remove(attachment) }
        }
        effort.attempt { () throws(CNIError) in try removeFromIPTables() }
        try effort.finish()
    }

    /// Removes the rules of a network's attachments that are not valid any more.
    public static func collect(_ network: String, keeping valid: ValidAttachments) throws(CNIError) {
        var effort = BestEffort()
        effort.attempt { () throws(CNIError) in
            try CNIError.removingRules { () throws(RulesError) in _ = try table.collect(network, keeping: valid) }
        }
        effort.attempt { () throws(CNIError) in try collectFromIPTables(network, keeping: valid) }
        try effort.finish()
    }

    /// Looks whether the rules are as ADD made them.
    public func verify(_ addresses: [Prefix], _ backend: Backend) throws(CNIError) {
        let isThere: Bool
        switch backend {
        case .nftables:
            isThere = try CNIError.rules { () throws(RulesError) in
                try Self.table.holds(attachment, belongings(addresses))
            }
        case .iptables:
            isThere = try isInIPTables(addresses)
        }
        if isThere { return }
        throw CNIError.drifted(joined("the masquerade of ", attachment.owner, " is not as it was"))
    }

    /// Looks whether an ADD could have its rules.
    public static func probe(_ backend: Backend) throws(CNIError) {
        switch backend {
        case .nftables:
            try table.probe()
        case .iptables:
            if IPTables(.v4).isInstalled { return }
            throw CNIError(.notReady, "cannot masquerade", "ipMasqBackend is iptables, which is not installed")
        }
    }

    @inline(never)
    func belongings(_ addresses: [Prefix]) -> Belongings {
        var belongings = Belongings()
        for prefix in addresses {
            let (ip, groups) = Self.words(prefix.address.family)
            let network = prefix.masked.description
            let chain = "beyond-" + Self.identifier(network)
            belongings.addSharedChain(
                chain,
                [joined(ip, " daddr != ", network, " ", ip, " daddr != ", groups, " masquerade")]
            )
            let map = prefix.address.family == .v4 ? "sources4" : "sources6"
            belongings.add(map, prefix.address.description, "goto " + chain, leadingTo: chain)
        }
        return belongings
    }

    /// A network as part of a name.
    private static func identifier(_ network: String) -> String {
        String(
            decoding: network.utf8.map { byte in
                byte == UInt8(ascii: "/") ? UInt8(ascii: "-") : byte == UInt8(ascii: ":") ? UInt8(ascii: ".") : byte
            },
            as: UTF8.self
        )
    }

    /// How the language calls a family, and the family's multicast groups, which are never masqueraded.
    static func words(_ family: IPAddress.Family) -> (String, String) {
        family == .v4 ? ("ip", "224.0.0.0/4") : ("ip6", "ff00::/8")
    }

    static func families(_ addresses: [Prefix]) -> [IPAddress.Family] {
        [IPAddress.Family.v4, .v6].filter { family in addresses.contains { $0.address.family == family } }
    }
}

extension Masquerade.Backend {
    /// Reads ipMasq and ipMasqBackend; nothing if nobody is to masquerade.
    public init?(_ node: ConfigNode) throws(ConfigError) {
        var backend = Self.nftables
        if let named = try node.member("ipMasqBackend"), case let name = try named.string(), !name.isEmpty {
            guard let known = Self(rawValue: name) else {
                throw named.fails("unknown ipmasq backend \"\(name)\"; there are nftables and iptables")
            }
            backend = known
        }
        guard try node.bool("ipMasq") ?? false else { return nil }
        self = backend
    }
}

extension AddResult {
    /// The addresses of the container's interface: those that name it, or no interface at all.
    public func addresses(of attachment: Attachment) -> [Prefix] {
        ips.filter { ip in
            guard let index = ip.interface, interfaces.indices.contains(index) else { return true }
            return interfaces[index].name == attachment.interface && !interfaces[index].sandbox.isEmpty
        }.map { $0.address }
    }
}
