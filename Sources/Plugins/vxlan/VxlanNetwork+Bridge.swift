// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import Netlink
import Overlay

extension VxlanNetwork {
    /// What the network wants of the bridge.
    func bridgeSettings() -> BridgeSettings {
        var settings = configuration.bridge
        (settings.mtu, settings.keepsMTU) = (mtu, true)
        settings.alias = tunnel.alias
        return settings
    }

    /// What is not as it is to be of what attachments share; nothing if all is.
    func complaint(_ host: inout Kernel) throws(CNIError) -> String? {
        if let complaint = try isKept ? missing(&host) : tunnel.complaint(&host) { return complaint }
        return try bridgeCorrections(&host).first?.complaint
    }

    /// What to say if overlayd has not made the tunnel.
    func missing(_ host: inout Kernel) throws(CNIError) -> String? {
        try host.link(named: tunnel.name) == nil ? "the tunnel \(tunnel.name) is missing" : nil
    }

    /// What is to be changed on the bridge because host or configuration have changed since it was made.
    enum BridgeCorrection {
        case mtu(String, from: UInt32, to: UInt32)
        case address(Prefix, String, UInt32)

        var complaint: String {
            switch self {
            case .mtu(let name, let present, let mtu): "the MTU of the bridge \(name) is \(present), not \(mtu)"
            case .address(let prefix, let name, _):
                "the bridge \(name) has the address \(prefix.description), which is not of this host's subnets any more"
            }
        }
    }

    /// What is not right on the bridge, if it was made for the network: somebody else's is left alone.
    func bridgeCorrections(_ host: inout Kernel) throws(CNIError) -> [BridgeCorrection] {
        guard let bridge = try host.link(named: configuration.bridge.name), bridge.alias == tunnel.alias else {
            return []
        }
        var corrections: [BridgeCorrection] = []
        if bridge.mtu != mtu { corrections.append(.mtu(bridge.name, from: bridge.mtu, to: mtu)) }
        // While there are containers with addresses of an old subnet, their gateway stays.
        let ports = try host.links(master: bridge.index)
        if subnets.isEmpty || ports.contains(where: { Attachment.isAlias($0.alias) }) { return corrections }
        for address in try host.addresses(of: bridge.index) where address.scope == 0 {
            let prefix = address.prefix
            if subnets.contains(where: { $0.contains(prefix.address) }) { continue }
            corrections.append(.address(prefix, bridge.name, bridge.index))
        }
        return corrections
    }

    /// Corrects the bridge and says how many things were changed.
    func correctBridge(_ host: inout Kernel) throws(CNIError) -> Int {
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
            }
        }
        try host.send(batch)
        return corrections.count
    }
}
