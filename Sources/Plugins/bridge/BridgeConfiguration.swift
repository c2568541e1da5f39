// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import JSON
import Rules

/// The keys that the plugin reads.
struct BridgeConfiguration: PluginConfiguration {
    var bridge = "cni0"
    var isGateway = false
    var isDefaultGateway = false
    var forceAddress = false
    var mtu: UInt32?
    var hairpinMode = false
    var promiscMode = false
    var vlan: UInt16 = 0
    var vlanTrunk: [ClosedRange<UInt16>]?
    var preserveDefaultVlan = false
    var macspoofchk = false
    var enabledad = false
    var disableContainerInterface = false
    var portIsolation = false
    /// Who masquerades, if what containers send beyond their network is to bear the host's address.
    var masquerade: Masquerade.Backend?
    var dns = DNS()
    /// The hardware address for the container.
    private var mac = RequestedMAC()

    init(_ node: ConfigNode) throws(ConfigError) {
        bridge = try node.interfaceName("bridge") ?? bridge
        isDefaultGateway = try node.bool("isDefaultGateway") ?? false
        isGateway = try node.bool("isGateway") ?? false || isDefaultGateway
        forceAddress = try node.bool("forceAddress") ?? false
        mtu = try node.integer("mtu", in: 0...Int64(Int32.max)).flatMap { $0 == 0 ? nil : UInt32($0) }
        hairpinMode = try node.bool("hairpinMode") ?? false
        promiscMode = try node.bool("promiscMode") ?? false
        if hairpinMode && promiscMode {
            throw node.fails("cannot set hairpin mode and promiscuous mode at the same time")
        }
        preserveDefaultVlan = try node.bool("preserveDefaultVlan") ?? false
        macspoofchk = try node.bool("macspoofchk") ?? false
        enabledad = try node.bool("enabledad") ?? false
        portIsolation = try node.bool("portIsolation") ?? false
        masquerade = try Masquerade.Backend(node)
        disableContainerInterface = try node.bool("disableContainerInterface") ?? false
        if disableContainerInterface, let type = try node.member("ipam")?.string("type"), !type.isEmpty {
            throw node.fails("cannot use IPAM when DisableContainerInterface flag is set")
        }
        if let dns = try node.member("dns") { self.dns = try DNS(dns) }
        try readVLANs(node)
        mac = try RequestedMAC(node)
    }

    private mutating func readVLANs(_ node: ConfigNode) throws(ConfigError) {
        if let id = try node.member("vlan") { vlan = try id.vlan(from: 0, "invalid VLAN ID") }
        guard let entries = try node.elements("vlanTrunk") else { return }
        vlanTrunk = []
        for entry in entries {
            let low = try entry.member("minID"), high = try entry.member("maxID")
            if (low == nil) != (high == nil) {
                let missing = low == nil ? "minID" : "maxID"
                throw entry.fails("minID and maxID should be configured simultaneously, \(missing) is missing")
            }
            if let low, let high {
                let first = try low.vlan(from: 1, "incorrect trunk minID parameter")
                let last = try high.vlan(from: 1, "incorrect trunk maxID parameter")
                guard first <= last else { throw entry.fails("minID is greater than maxID in trunk parameter") }
                vlanTrunk?.append(first...last)
            }
            if let id = try entry.member("id") {
                let id = try id.vlan(from: 1, "incorrect trunk id parameter")
                vlanTrunk?.append(id...id)
            }
        }
    }

    /// The hardware address that the container's end shall have.
    func requestedMAC(_ request: Request<Self>) throws(CNIError) -> MACAddress? { try mac.address(request) }
    /// What concerns the bridge itself and the ports of it.
    var settings: BridgeSettings {
        var settings = BridgeSettings(name: bridge)
        (settings.isGateway, settings.isDefaultGateway, settings.forceAddress) = (
            isGateway, isDefaultGateway, forceAddress
        )
        (settings.mtu, settings.hairpinMode, settings.promiscMode) = (mtu, hairpinMode, promiscMode)
        (settings.vlan, settings.vlanTrunk, settings.preserveDefaultVlan) = (vlan, vlanTrunk, preserveDefaultVlan)
        settings.portIsolation = portIsolation
        return settings
    }
}

extension ConfigNode {
    fileprivate func vlan(from lowest: UInt16, _ complaint: String) throws(ConfigError) -> UInt16 {
        let id = try integer(in: Int64(Int32.min)...Int64(Int32.max))
        guard id >= Int64(lowest), id <= 4094 else {
            throw fails("\(complaint): invalid VLAN ID \(id) (must be between \(lowest) and 4094)")
        }
        return UInt16(id)
    }
}
