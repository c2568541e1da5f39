// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import JSON
import Overlay
import Rules

/// The keys that the plugin reads.
struct VxlanConfiguration: PluginConfiguration {
    /// How the hosts share the network.
    enum Mode {
        /// Each host has subnets of its own.
        case routed
        /// All hosts are on one link.
        case bridged
    }

    var mode = Mode.routed
    var vni: UInt32 = 1
    var port: UInt16 = 8472
    var device = ""
    var master: String?
    var local: IPAddress?
    var networks: [Prefix] = []
    var subnets: [Prefix] = []
    var mtu: UInt32?
    var learning: Bool?
    var directRouting = false
    var txChecksumOffload: Bool?
    var neighSuppress: Bool?
    var ttl: UInt8?
    var group: IPAddress?
    /// Whether somebody else looks after what leads to the others.
    var isExternal = false
    /// Where overlayd writes what a registry gave this host, if there is one.
    private(set) var registry: String?
    /// Whether the last attachment takes all along.
    var tearsDown = false
    /// Who masquerades, if what leaves the network is to bear the host's address.
    var masquerade: Masquerade.Backend?
    var dns = DNS()
    /// Whether host-local is to give out addresses of this host's subnets.
    private(set) var drawsFromSubnets = false
    let peers: PeerSource
    private(set) var bridge: BridgeSettings
    private var mac = RequestedMAC()

    init(_ node: ConfigNode) throws(ConfigError) {
        vni = try node.integer("vni", in: 1...0xFF_FFFF).map { UInt32($0) } ?? vni
        peers = try PeerSource(node, identifier: vni)
        bridge = BridgeSettings(name: try node.interfaceName("bridge") ?? "cni-vx\(vni)")
        device = try node.interfaceName("device") ?? "vxlan.\(vni)"
        if device == bridge.name { throw node.fails("device: " + device + " is the bridge's name") }
        port = try node.integer("port", in: 1...65535).map { UInt16($0) } ?? port
        mode = try node.choice("mode", ["routed", "bridged"]) == "bridged" ? .bridged : .routed
        isExternal = try node.choice("controlPlane", ["static", "external"]) == "external"
        tearsDown = try node.choice("teardown", ["never", "auto"]) == "auto"
        master = try node.interfaceName("master")
        local = try node.address("local")
        networks = try node.prefixes("network")
        subnets = try node.prefixes("subnet")
        mtu = try node.integer("mtu", in: 0...65535).flatMap { $0 == 0 ? nil : UInt32($0) }
        learning = try node.bool("learning")
        directRouting = try node.bool("directRouting") ?? false
        neighSuppress = try node.bool("neighSuppress")
        ttl = try node.integer("ttl", in: 1...255).map { UInt8($0) }
        txChecksumOffload = try node.offload("txChecksumOffload")
        masquerade = try Masquerade.Backend(node)
        if let dns = try node.member("dns") { self.dns = try DNS(dns) }
        mac = try RequestedMAC(node)
        if let ipam = try node.member("ipam"), try ipam.string("type") == "host-local" {
            let subnet = try ipam.member("subnet")
            let ranges = try ipam.member("ranges")
            drawsFromSubnets = subnet == nil && ranges == nil
        }
        try readRegistry(node)
        try readGroup(node)
        try readBridge(node)
        if mode == .routed, networks.isEmpty, !isExternal, registry == nil {
            throw node.fails("network is missing: the range of which each host has a part, such as 10.5.0.0/16")
        }
        if masquerade != nil, networks.isEmpty, registry == nil {
            throw node.fails("ipMasq: needs network, because only what leaves it is masqueraded")
        }
    }

    private mutating func readRegistry(_ node: ConfigNode) throws(ConfigError) {
        guard let object = try node.member("registry") else { return }
        guard try object.string("type") == "etcd" else { throw object.fails("type must be \"etcd\"") }
        guard peers.isEmpty, networks.isEmpty, subnets.isEmpty, mode == .routed, !isExternal else {
            throw object.fails(
                "hosts and subnets come from it, so peers, peersDir, network, subnet and mode do not go with it"
            )
        }
        registry = try object.string("runDir") ?? RegistryFile.directory
    }

    private mutating func readGroup(_ node: ConfigNode) throws(ConfigError) {
        guard let group = try node.address("group") else { return }
        guard group.isMulticast else {
            throw node.fails("group: " + group.description + " is not a group such as 239.1.1.1 or ff05::100")
        }
        guard mode == .bridged else { throw node.fails("group: needs \"mode\": \"bridged\"") }
        guard peers.isEmpty, !isExternal else {
            throw node.fails("group: the hosts find each other by it, so neither peers nor controlPlane go with it")
        }
        self.group = group
    }

    private mutating func readBridge(_ node: ConfigNode) throws(ConfigError) {
        bridge.isDefaultGateway = try node.bool("isDefaultGateway") ?? (mode == .routed)
        // In a routed network nobody but the host leads out of it.
        bridge.isGateway = try node.bool("isGateway") ?? false || bridge.isDefaultGateway || mode == .routed
        bridge.forceAddress = try node.bool("forceAddress") ?? false
        bridge.hairpinMode = try node.bool("hairpinMode") ?? false
        bridge.portIsolation = try node.bool("portIsolation") ?? false
    }

    /// The hardware address that the container's end shall have.
    func requestedMAC(_ request: Request<Self>) throws(CNIError) -> MACAddress? { try mac.address(request) }

    /// Whether the device notes who is behind which host.
    var learns: Bool { learning ?? (mode == .bridged && !isExternal) }
}
