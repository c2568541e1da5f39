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
    let name: String
    /// The networks of all hosts.
    let networks: [Prefix]
    /// The subnets of this host.
    let subnets: [Prefix]
    /// The device, as it is to be; where overlayd looks after it no more of it is known than name and MTU.
    var tunnel: Tunnel
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
            (self.configuration, self.name) = (configuration, name)
            (networks, subnets) = (file.networks, file.subnets)
            let settings = VXLANSettings(identifier: configuration.vni)
            let mac = MACAddress.following(file.publicIP, in: configuration.vni)
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
        // While it gets another address this host may be listed with both, and must not send to itself.
        let others = peers.filter { !underlay.isThisHost($0) }
        let own = peers.first { $0.publicIPs.contains(underlay.local) } ?? peers.first(where: underlay.isThisHost)
        let subnets = configuration.subnets.isEmpty ? own?.subnets ?? [] : configuration.subnets
        let mac = own?.vtepMAC ?? .following(underlay.local, in: configuration.vni)
        do throws(ConfigError) {
            try Peer.validate(others, local: underlay.local, own: subnets, networks: configuration.networks, mac)
            try configuration.validate(subnets, listed: own?.subnets ?? [], underlay, others.count)
        } catch {
            throw .configuration(error)
        }
        (self.configuration, self.name) = (configuration, name)
        (self.subnets, networks) = (subnets, configuration.networks)

        var settings = VXLANSettings(identifier: configuration.vni)
        (settings.port, settings.local, settings.underlay) = (configuration.port, underlay.local, underlay.link.index)
        (settings.learns, settings.group, settings.hopLimit) = (
            configuration.learns, configuration.group, configuration.ttl
        )
        var tunnel = Tunnel(
            name: configuration.device,
            network: name,
            settings: settings,
            mac: mac,
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
            tunnel.entries = TunnelEntries(floodingTo: others, underlay.local.family)
        }
        if configuration.isExternal { tunnel.entries = nil }
        self.tunnel = tunnel
    }
}

extension VxlanConfiguration {
    /// Refuses what cannot work on this host.
    fileprivate func validate(
        _ subnets: [Prefix],
        listed: [Prefix],
        _ underlay: Underlay,
        _ others: Int
    ) throws(ConfigError) {
        if !listed.isEmpty, let own = subnets.first(where: { !listed.contains($0) }) {
            throw ConfigError(
                path: "subnet",
                problem: own.description + " is not what the others know of this host, which is listed with "
                    + listed[0].description
            )
        }
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
                problem: group.description + " and " + underlay.local.description + " are of different versions of IP"
            )
        }
        // On a stretched link as well: out of all of the network, hosts would give the same addresses to their containers.
        guard subnets.isEmpty, drawsFromSubnets || mode == .routed && !isExternal else { return }
        throw ConfigError(
            path: "subnet",
            problem: others == 0
                ? "it is missing: the part of network that this host's containers have"
                : "it is missing: give it, or list this host, " + underlay.local.description
                    + ", among peers with its subnet"
        )
    }
}
