// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import JSON
import Netlink
import Overlay

/// A network as it looks from this host: who it is among the others, and what leads to them.
struct VxlanNetwork {
    let configuration: VxlanConfiguration
    /// The networks of all hosts.
    let networks: [Prefix]
    /// The subnets of this host.
    let subnets: [Prefix]
    /// The device, as it is to be; where overlayd looks after it no more of it is known than name and MTU.
    let tunnel: Tunnel
    /// Whether overlayd looks after the tunnel and what leads to the others, and not this plugin.
    var isKept: Bool { configuration.registry != nil }
    /// The largest packet of all interfaces of the network.
    var mtu: UInt32 { tunnel.mtu }

    /// Finds this host's place.
    ///
    /// What is missing may still come, so the caller says what kind of failure that is.
    init(
        _ configuration: VxlanConfiguration,
        _ name: String,
        missing: CNIError.Kind = .tryAgain,
        _ host: inout Kernel
    ) throws(CNIError) {
        if let directory = configuration.registry {
            let file = try RegistryFile.read(directory, network: name, missing: missing)
            self.configuration = configuration
            (networks, subnets) = (file.networks, file.subnets)
            let settings = VXLANSettings(identifier: configuration.vni)
            let mac = Peer.vtepMAC(identifier: configuration.vni, publicIP: file.publicIP)
            tunnel = Tunnel(name: file.device, network: name, settings: settings, mac: mac, mtu: file.mtu)
            return
        }
        let peers: [Peer]
        do { peers = try configuration.peers.peers() } catch { throw .configuration(error) }
        let underlay = try Underlay.find(
            interface: configuration.master,
            local: configuration.local,
            peers: peers,
            missing: missing,
            &host
        )
        let family = underlay.local.family
        let isOwn = { (peer: Peer) in peer.publicIPs.contains(underlay.local) }
        let own = peers.first(where: isOwn)
        let others = peers.filter { !isOwn($0) }
        let subnets = configuration.subnets.isEmpty ? own?.subnets ?? [] : configuration.subnets
        do throws(ConfigError) {
            try Peer.validate(others, own: subnets, networks: configuration.networks, family)
            try configuration.validate(subnets, underlay, others.count)
        } catch {
            throw .configuration(error)
        }
        (self.configuration, self.subnets, networks) = (configuration, subnets, configuration.networks)

        var settings = VXLANSettings(identifier: configuration.vni)
        (settings.port, settings.local, settings.underlay) = (configuration.port, underlay.local, underlay.link.index)
        (settings.learns, settings.group, settings.hopLimit) = (
            configuration.learns, configuration.group, configuration.ttl
        )
        var tunnel = Tunnel(
            name: configuration.device,
            network: name,
            settings: settings,
            mac: own?.vtepMAC ?? Peer.vtepMAC(identifier: configuration.vni, publicIP: underlay.local),
            mtu: configuration.mtu ?? underlay.link.mtu - underlay.overhead
        )
        (tunnel.networks, tunnel.checksumOffload) = (configuration.networks, configuration.txChecksumOffload)
        switch configuration.mode {
        case .routed:
            tunnel.entries = TunnelEntries(
                routedTo: others,
                own: subnets,
                underlay,
                configuration.vni,
                direct: configuration.directRouting
            )
        case .bridged:
            tunnel.bridge = configuration.bridge.name
            tunnel.suppressesNeighbours = configuration.neighSuppress ?? configuration.isExternal
            tunnel.entries = TunnelEntries(floodingTo: others, family)
        }
        if configuration.isExternal { tunnel.entries = nil }
        self.tunnel = tunnel
    }
}

extension VxlanConfiguration {
    /// Refuses what cannot work on this host.
    fileprivate func validate(_ subnets: [Prefix], _ underlay: Underlay, _ others: Int) throws(ConfigError) {
        let room = underlay.link.mtu - min(underlay.link.mtu, underlay.overhead)
        let name = underlay.link.name
        if let mtu, mtu > room {
            throw ConfigError(
                path: "mtu",
                problem:
                    "\(mtu) is too much: \(name) has \(underlay.link.mtu), and the tunnel takes \(underlay.overhead)"
            )
        }
        let usesIPv6 = (subnets + networks).contains { $0.address.family == .v6 }
        if usesIPv6, mtu ?? room < 1280 {
            throw ConfigError(path: "mtu", problem: "IPv6 needs 1280, and there are only \(mtu ?? room) (\(name))")
        }
        if let group, group.family != underlay.local.family {
            throw ConfigError(
                path: "group",
                problem: "\(group.description) and \(underlay.local.description) are of different versions of IP"
            )
        }
        guard mode == .routed, !isExternal, subnets.isEmpty else { return }
        throw ConfigError(
            path: "subnet",
            problem: others == 0
                ? "it is missing: the part of network that this host's containers have"
                : "it is missing: give it, or list this host, \(underlay.local.description), among peers with its subnet"
        )
    }
}
