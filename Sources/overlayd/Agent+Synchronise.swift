// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Claims
import Etcd
import Interfaces
import JSON
import Linux
import Netlink
import Overlay

extension Agent {
    /// Reads the whole registry, takes a subnet if this host has none, compares everything, and begins to listen.
    func synchronise() throws(Trouble) {
        // Before the list is read: what happens from now on is compared once more, and what happened before with the rest.
        listen()
        let before = useless.lists
        useless = (0, 0)
        var listing = try list()
        useless = (before + 1, listing.entries.count)
        // Whatever else is wrong, the subnet stays this host's.
        if let held = holding {
            if held.lease != 0, held.heard.age * 3 >= Int64(held.seconds) { try? renew() }
        } else if memory.lease != 0, memory.isOfThisBoot {
            _ = try? client.keepAlive(memory.lease)
        }
        let network = try read(listing)
        let underlay = try findUnderlay()
        publicIPv6 = try secondAddress(network.networks, underlay)
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
        let mtu = try mtu(network, underlay)
        if !memory.networks.isEmpty, memory.networks != network.networks {
            // What led past the tunnel when the network was another one leads nowhere now; the tunnel is compared as it is.
            try Trouble.host { () throws(CNIError) in
                try RegistryRoutes.remove(memory.networks, besides: network.networks, &host)
            }
        }
        memory.networks = network.networks
        try keep(held, underlay)
        let tunnel = tunnel(network, underlay, mtu)
        var routes = RegistryRoutes(place, network: configuration.network, tunnel: tunnel)
        let listed = Set(listing.entries.compactMap { hostKey($0.key) })
        complaints = complaints.filter { listed.contains($0.key) }
        claims = RegistryClaims()
        _ = changes(listing.entries.map { .set($0) }, place)
        routes.replace(claims.accepted.map { .init($0.key, $0.host.lease, revision: $0.host.creation) })
        self.routes = routes
        try ensure()
        let file = RegistryFile(
            networks: network.networks,
            subnets: held.subnets,
            mtu: mtu,
            publicIP: underlay.local,
            device: tunnel?.name ?? underlay.link.name,
            heard: held.heard,
            lasts: nil
        )
        try write(file)
        try Trouble.registry { () throws(EtcdError) in
            try client.watch(prefix: "\(configuration.prefix)/", from: listing.revision + 1)
        }
        useless = (0, 0)
    }

    func list() throws(Trouble) -> EtcdListing {
        try Trouble.registry { () throws(EtcdError) in try client.list(prefix: "\(configuration.prefix)/") }
    }

    func read(_ listing: EtcdListing) throws(Trouble) -> RegistryConfiguration {
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
            mac: .following(underlay.local, in: identifier),
            mtu: mtu
        )
        (tunnel.networks, tunnel.checksumOffload) = (network.networks, configuration.checksumOffload)
        return tunnel
    }

    /// What events mean for what leads to the other hosts; of those that cannot be reached it is said why.
    func changes(_ events: [EtcdEvent], _ place: RegistryPlace) -> [RegistryRoutes.Change] {
        var changes: [RegistryRoutes.Change] = []
        for event in events {
            var (key, host) = ("", RegistryClaims.Host?.none)
            switch event {
            case .removed(let removed):
                guard let removed = hostKey(removed) else { continue }
                key = removed
                complaints[key] = nil
            case .set(let entry):
                guard let set = hostKey(entry.key), set != RegistryLease.key(place.subnets) else { continue }
                key = set
                var complaint: String?
                do throws(ConfigError) {
                    let lease = place.part(of: try RegistryLease(key: key, value: entry.value))
                    complaint = place.complaint(lease)
                    if complaint == nil { host = .init(lease, mac: place.end(of: lease), creation: entry.creation) }
                } catch {
                    complaint = error.problem
                }
                if let complaint, complaints[key] != complaint {
                    Daemon.log("no way to \(key): \(complaint)")
                }
                complaints[key] = complaint
            }
            for (key, host) in claims.set(key, host) {
                changes.append(.init(key, host?.lease, revision: host?.creation ?? 0))
            }
        }
        return changes
    }
}
