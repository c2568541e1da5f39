// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import Linux
import Netlink
import Overlay
import Rules

extension VxlanNetwork {
    /// What the network wants of the bridge.
    func bridgeSettings() -> BridgeSettings {
        var settings = configuration.bridge
        (settings.mtu, settings.keepsMTU) = (mtu, true)
        settings.alias = tunnel.alias
        return settings
    }

    /// What is not as it is to be of what attachments share, and can be corrected; nothing if all is.
    func complaint(_ host: inout Kernel) throws(CNIError) -> String? {
        if !isKept, let complaint = try tunnel.complaint(&host) { return complaint }
        if let complaint = try bridgeCorrections(&host).first?.complaint { return complaint }
        return try masquerade(&host).complaint(configuration.masquerade)
    }

    /// Refuses where the kernel soon has no room for the neighbours of containers.
    func checkRoom(_ host: inout Kernel) throws(CNIError) {
        var known: [Neighbour] = []
        if let link = try host.link(named: tunnel.name) { known = try host.neighbours(of: link.index) }
        for table in try host.neighbourTables() where table.wasCrowded {
            let count = table.count - known.count { $0.isPermanent && $0.address.family == table.family }
            // What is more than the limit are permanent entries of other namespaces, which say nothing of the rest.
            if count * 10 < table.limit * 9 || count > table.limit { continue }
            let (version, path) = table.family == .v4 ? ("IPv4", "ipv4") : ("IPv6", "ipv6")
            throw CNIError(
                .limited,
                "the kernel's table of " + version + " neighbours is nearly full",
                "all namespaces together have \(count) entries of \(table.limit): raise net.\(path).neigh.default.gc_thresh3"
            )
        }
    }

    /// What is to be changed on the bridge because host or configuration have changed since it was made.
    enum BridgeCorrection {
        case mtu(String, from: UInt32, to: UInt32)
        case address(Prefix, String, UInt32)
        case setting(String)
        case outdated(String, UInt32)

        var complaint: String {
            switch self {
            case .mtu(let name, let present, let mtu):
                "the MTU of the bridge " + name + " is \(present), not \(mtu)"
            case .address(let prefix, let name, _):
                "the bridge " + name + " has the address " + prefix.description
                    + ", which is not of this host's subnets any more"
            case .outdated(let name, _):
                "the bridge " + name + " is this network's, too, of before bridge or vni changed"
            case .setting(let key): "the bridge does not note who announces itself: " + key + " is 0"
            }
        }
    }

    /// What is not right on the bridge, if it was made for the network: somebody else's is left alone.
    func bridgeCorrections(_ host: inout Kernel) throws(CNIError) -> [BridgeCorrection] {
        var corrections: [BridgeCorrection] = []
        var own: Link?
        for bridge in try host.links(kind: "bridge") where bridge.alias == tunnel.alias {
            // Two bridges with the addresses of one gateway take each other's answers.
            if bridge.name == configuration.bridge.name {
                own = bridge
            } else {
                corrections.append(.outdated(bridge.name, bridge.index))
            }
        }
        guard let bridge = own else { return corrections }
        if bridge.mtu != mtu { corrections.append(.mtu(bridge.name, from: bridge.mtu, to: mtu)) }
        if configuration.isExternal, tunnel.suppressesNeighbours {
            for key in Self.noting(bridge.name) where (try? Sysctl.read(key)) == "0" {
                corrections.append(.setting(key))
            }
        }
        // While there are containers with addresses of an old subnet, their gateway stays.
        let ports = try host.links(master: bridge.index)
        if subnets.isEmpty || ports.contains(where: { Attachment.isAlias($0.alias) }) { return corrections }
        for address in try host.addresses(of: bridge.index) where address.scope == 0 {
            let prefix = address.prefix
            if subnets.contains(where: { $0.contains(prefix.address) && hasLength(prefix, $0) }) { continue }
            corrections.append(.address(prefix, bridge.name, bridge.index))
        }
        return corrections
    }

    /// Whether an address of the bridge is as long as those that containers of a subnet get; own ranges may be of any length.
    private func hasLength(_ prefix: Prefix, _ subnet: Prefix) -> Bool {
        !configuration.drawsFromSubnets || prefix.length == length(subnet)
    }

    /// The length of the addresses that containers of a subnet get.
    func length(_ subnet: Prefix) -> Int {
        let network = configuration.mode == .routed ? nil : networks.first { $0.contains(subnet) }
        return (network ?? subnet).length
    }

    /// Gives the bridge back what ADD gave it for the containers that are there, and says how many things were changed.
    ///
    /// Not where ranges of the configuration's own may have other gateways, nor while addresses of before are still there.
    func correctGateways(_ host: inout Kernel) throws(CNIError) -> Int {
        guard configuration.bridge.isGateway, configuration.drawsFromSubnets,
            let bridge = try host.link(named: configuration.bridge.name), bridge.alias == tunnel.alias
        else {
            return 0
        }
        var result = AddResult()
        for subnet in subnets {
            let gateway = subnet.network.successor
            guard let gateway, let address = Prefix(address: gateway, length: length(subnet)) else { continue }
            result.ips.append(IPConfiguration(address: address, gateway: gateway))
        }
        var undo = UndoStack()
        let device = BridgeDevice(bridgeSettings(), ownPort: "")
        _ = try device.ensure(&host, undo: &undo)
        let wanted = result.ips.map { $0.address }
        if try host.addresses(of: bridge.index).allSatisfy({ $0.scope != 0 || wanted.contains($0.prefix) }) {
            _ = try device.addGateways(for: result, on: bridge, &host, undo: &undo)
        }
        return undo.count
    }

    /// What to say if the host does not pass packets of its containers on.
    func forwardingComplaint(_ result: AddResult) -> String? {
        guard configuration.bridge.isGateway else { return nil }
        for ip in result.ips {
            let key = Forwarding.key(ip.address.address.family)
            if (try? Sysctl.read(key)) == "0" { return "the host does not forward: " + key + " is 0" }
        }
        return nil
    }

    /// Refuses another mode while there are containers, whose addresses and routes are of the one before.
    private func checkMode(_ host: inout Kernel) throws(CNIError) {
        for link in try host.links(kind: "vxlan") where link.alias == tunnel.alias {
            // A routed one has an address and is no port, and a bridged one has none and is; else somebody has changed it.
            let isPort = link.master != nil
            let hasAddress = try host.addresses(of: link.index).contains { $0.scope == 0 }
            if isPort == (tunnel.bridge != nil) || isPort == hasAddress { continue }
            if try host.hasAttachments(of: name) {
                throw CNIError(
                    .interfaceExists,
                    "the tunnel " + link.name + " is of before mode changed",
                    Self.wayOut
                )
            }
        }
    }

    static let wayOut = "it still has containers or ports of others: remove these first, or change the key back"

    /// The settings with which a bridge has a neighbour for each container that announces itself.
    ///
    /// Who looks after the entries tells the other hosts of these, whose bridges then answer for them. The kernel takes an
    /// IPv6 neighbour that it did not ask for only where it forwards; while the host does not, nothing else follows from it.
    private static func noting(_ bridge: String) -> [String] {
        let v6 = "net/ipv6/conf/" + bridge
        return ["net/ipv4/conf/" + bridge + "/arp_accept", v6 + "/forwarding", v6 + "/accept_untracked_na"]
    }

    /// Corrects the bridge and says how many things were changed.
    func correctBridge(_ host: inout Kernel) throws(CNIError) -> Int {
        try checkMode(&host)
        let corrections = try bridgeCorrections(&host)
        if corrections.isEmpty { return 0 }
        var batch = MessageBatch()
        for correction in corrections {
            switch correction {
            case .mtu(let name, _, let mtu):
                var change = LinkChange()
                change.mtu = mtu
                batch.setLink(name, change)
            case .address(let prefix, _, let index): batch.deleteAddress(prefix, from: index)
            case .setting(let key): try Sysctl.set(key, "1")
            case .outdated(let name, let index):
                if try host.links(master: index).contains(where: { $0.alias != tunnel.alias }) {
                    throw CNIError(
                        .interfaceExists,
                        correction.complaint,
                        Self.wayOut
                    )
                }
                try host.deleteLink(ifExists: name)
            }
        }
        try host.send(batch)
        return corrections.count
    }
}
