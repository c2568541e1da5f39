// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Etcd
import Interfaces
import JSON
import Linux
import Netlink
import Overlay

extension Agent {
    /// Reads the whole registry, takes a subnet if this host has none, compares everything, and begins to listen.
    func synchronise() throws(Trouble) {
        // Read before the list is, so that nothing that happens from now on is missed.
        _ = events.interfaces()
        var listing = try list()
        let network = try read(listing)
        let underlay = try findUnderlay()
        var held: Holding?
        for _ in 0..<10 where held == nil {
            held = try claim(listing, network, underlay)
            if held == nil { listing = try list() }
        }
        guard let held else { throw Trouble(.passing, "etcd: the subnets change hands faster than one can be taken") }

        let place = RegistryPlace(
            underlay,
            networks: network.networks,
            subnets: held.subnets,
            backend: network.backend
        )
        if !memory.networks.isEmpty, memory.networks != network.networks {
            // What led through the network when it was another one leads nowhere now.
            try Trouble.host { () throws(CNIError) in
                try RegistryRoutes.remove(network: configuration.network, networks: memory.networks, &host)
            }
        }
        let mtu = try mtu(network, underlay)
        let tunnel = tunnel(network, underlay, mtu)
        var routes = RegistryRoutes(place, network: configuration.network, tunnel: tunnel)
        complaints = [:]
        routes.replace(changes(listing.entries.map { .set($0) }, place))
        self.routes = routes
        try ensure()
        try keep(held)
        let file = RegistryFile(
            networks: network.networks,
            subnets: held.subnets,
            mtu: mtu,
            publicIP: underlay.local,
            device: tunnel?.name ?? underlay.link.name,
            expires: nil
        )
        try write(file)
        try Trouble.registry { () throws(EtcdError) in
            try client.watch(prefix: "\(configuration.prefix)/", from: listing.revision + 1)
        }
    }

    private func list() throws(Trouble) -> EtcdListing {
        try Trouble.registry { () throws(EtcdError) in try client.list(prefix: "\(configuration.prefix)/") }
    }

    private func read(_ listing: EtcdListing) throws(Trouble) -> RegistryConfiguration {
        let key = settingsKey
        guard let entry = listing.entries.first(where: { $0.key == key }) else {
            throw Trouble(
                .passing,
                "etcd: the key \(key) is missing; set it, such as to {\"Network\": \"10.5.0.0/16\", \"Backend\": {\"Type\": \"vxlan\"}}"
            )
        }
        settings = entry.value
        do { return try RegistryConfiguration(entry.value, path: key) } catch { throw Trouble(registry: error) }
    }

    /// The interface and the address by which the others reach this host: by default those of the default route.
    private func findUnderlay() throws(Trouble) -> Underlay {
        try Trouble.host { () throws(CNIError) in
            var master = configuration.master
            if master == nil, configuration.local == nil {
                let ways = try host.routes(.v4).filter { $0.destination == .defaultV4 && $0.table == 254 }
                guard let way = ways.min(by: { $0.priority < $1.priority }) else {
                    throw CNIError(
                        .tryAgain,
                        "this host has no default route",
                        "give master, the interface to the other hosts, or local, its address there"
                    )
                }
                master = try host.link(index: way.interface)?.name
            }
            return try Underlay.find(
                interface: master,
                local: configuration.local,
                peers: [],
                missing: .tryAgain,
                &host
            )
        }
    }

    private func mtu(_ network: RegistryConfiguration, _ underlay: Underlay) throws(Trouble) -> UInt32 {
        let below = min(network.mtu ?? underlay.link.mtu, underlay.link.mtu)
        let room = network.backend == .hostGateway ? below : below - min(below, underlay.overhead)
        if let mtu = configuration.mtu, mtu > room {
            throw Trouble(.configuration, "mtu: \(mtu) is too much: \(underlay.link.name) leaves \(room)")
        }
        return configuration.mtu ?? room
    }

    private func tunnel(_ network: RegistryConfiguration, _ underlay: Underlay, _ mtu: UInt32) -> Tunnel? {
        guard case .vxlan(let identifier, let port, _) = network.backend else { return nil }
        var settings = VXLANSettings(identifier: identifier)
        (settings.port, settings.local) = (port, underlay.local)
        (settings.underlay, settings.learns) = (underlay.link.index, false)
        var tunnel = Tunnel(
            name: configuration.device ?? "vxlan.\(identifier)",
            network: configuration.network,
            settings: settings,
            mac: Peer.vtepMAC(identifier: identifier, publicIP: underlay.local),
            mtu: mtu
        )
        (tunnel.networks, tunnel.checksumOffload) = (network.networks, configuration.checksumOffload)
        return tunnel
    }

    /// What events mean for what leads to the other hosts; of those that cannot be reached it is said why.
    func changes(_ events: [EtcdEvent], _ place: RegistryPlace) -> [RegistryRoutes.Change] {
        var changes: [RegistryRoutes.Change] = []
        for event in events {
            switch event {
            case .removed(let key):
                guard let key = hostKey(key) else { continue }
                complaints[key] = nil
                changes.append(.init(key, nil, revision: 0))
            case .set(let entry):
                guard let key = hostKey(entry.key), key != RegistryLease.key(place.subnets) else { continue }
                var lease: RegistryLease?
                var complaint: String?
                do throws(ConfigError) {
                    let read = try RegistryLease(key: key, value: entry.value)
                    complaint = place.complaint(read)
                    if complaint == nil { lease = read }
                } catch {
                    complaint = error.problem
                }
                if let complaint, complaints[key] != complaint {
                    Daemon.log("no way to \(key): \(complaint)")
                }
                complaints[key] = complaint
                changes.append(.init(key, lease, revision: entry.revision))
            }
        }
        return changes
    }
}
