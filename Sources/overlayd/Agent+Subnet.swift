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
    /// Takes a subnet, or finds the one that this host has; nothing if somebody else was quicker and all must be read anew.
    func claim(
        _ listing: EtcdListing,
        _ network: RegistryConfiguration,
        _ underlay: Underlay
    ) throws(Trouble) -> Holding? {
        let now = RegistryWord.now()
        let own = find(listing, underlay)
        let reason = own.flatMap { objection($0.entry, listing.entries, network) }
        if let own, reason == nil { return try renew(own.entry, lease(own.subnets, network, underlay), now) }
        let others = listing.entries.filter { $0.key != own?.entry.key }
        let subnets = try choose(besides: others, keeping: own?.subnets ?? [], network, underlay)
        let (number, seconds) = try freshLease()
        let value = lease(subnets, network, underlay)
        let key = subnetPrefix + value.key
        let isTaken = try Trouble.registry { () throws(EtcdError) in
            guard let old = own?.entry else { return try client.create(key, value.value, lease: number) }
            // At once, because the others would take the ways to this host away in between.
            return try client.create(
                key,
                value.value,
                lease: number,
                insteadOf: old.key,
                ifRevision: old.revision
            )
        }
        if !isTaken { return nil }
        if let own, let reason {
            Daemon.log("\(own.entry.key) \(reason) and is given back")
            drop(own.entry.lease)
        }
        if subnets.count > 1 {
            // Others may have come since the list was read.
            let entries = try list().entries
            guard let own = entries.first(where: { $0.key == key }), objection(own, entries, network) == nil else {
                return nil
            }
        }
        spareLease = 0
        return Holding(subnets: subnets, lease: number, seconds: seconds, heard: now)
    }

    /// Subnets that no other host has, of those that this host had each that still fits.
    private func choose(
        besides others: [EtcdEntry],
        keeping old: [Prefix],
        _ network: RegistryConfiguration,
        _ underlay: Underlay
    ) throws(Trouble) -> [Prefix] {
        let used = others.compactMap { hostKey($0.key) }.compactMap { RegistryLease.subnets(key: $0) }
        // Not one that contains the address of a host, for then the tunnel's own packets would go into the tunnel.
        let addresses = others.compactMap { entry in
            hostKey(entry.key).flatMap { try? RegistryLease(key: $0, value: entry.value) }?.publicIP
        }
        let hosts = (addresses + [underlay.local]).compactMap { Prefix(address: $0, length: $0.family.hostLength) }
        let all = used.flatMap { $0 } + hosts
        let entropy = (try? Clock.entropy()) ?? 0
        guard let subnets = network.choose(besides: all, keeping: old + memory.subnets + memory.former, entropy) else {
            throw Trouble(
                .passing,
                "etcd: no subnet of \(network.networks[0].description) is free; \(used.count) hosts have one"
            )
        }
        return subnets
    }

    /// Why a key of this host's cannot stay; nothing if it can.
    ///
    /// A key is taken by one host only. But with both versions of IP it names two subnets, of which another key may name one:
    /// then whoever came later gives way.
    private func objection(_ own: EtcdEntry, _ entries: [EtcdEntry], _ network: RegistryConfiguration) -> String? {
        guard let subnets = hostKey(own.key).flatMap({ RegistryLease.subnets(key: $0) }), network.allows(subnets) else {
            return "does not fit the network any more"
        }
        for entry in entries where entry.creation < own.creation {
            guard let key = hostKey(entry.key), let theirs = RegistryLease.subnets(key: key),
                subnets.contains(where: { subnet in theirs.contains { $0.overlaps(subnet) } })
            else {
                continue
            }
            return "overlaps \(key), which was there before"
        }
        return nil
    }

    /// The value that this host wants to have in the registry.
    private func lease(
        _ subnets: [Prefix],
        _ network: RegistryConfiguration,
        _ underlay: Underlay
    ) -> RegistryLease {
        var lease = RegistryLease(subnets: subnets, publicIP: underlay.local, backend: network.backend.name)
        if case .vxlan(let identifier, _, _) = network.backend {
            lease.identifier = identifier
            lease.vtepMAC = .following(underlay.local, in: identifier)
            lease.publicIPv6 = publicIPv6
        }
        return lease
    }

    /// The key that is this host's; of several the one that it had last.
    private func find(_ listing: EtcdListing, _ underlay: Underlay) -> (entry: EtcdEntry, subnets: [Prefix])? {
        let found = all(listing, underlay)
        return found.first { $0.subnets == memory.subnets } ?? found.first
    }

    /// The keys that are this host's.
    private func all(_ listing: EtcdListing, _ underlay: Underlay?) -> [(entry: EtcdEntry, subnets: [Prefix])] {
        listing.entries.compactMap { entry in
            guard let key = hostKey(entry.key), let subnets = RegistryLease.subnets(key: key) else { return nil }
            let address = (try? RegistryLease(key: key, value: entry.value))?.publicIP
            return isOurs(entry, address, underlay) ? (entry, subnets) : nil
        }
    }

    /// Whether a key says this host's address, or the one that this host had when it took it.
    ///
    /// A copy of this host remembers that address and the lease as well, and containers of one machine share the identifier
    /// of its start; but their interfaces have hardware addresses of their own.
    private func isOurs(_ entry: EtcdEntry, _ address: IPAddress?, _ underlay: Underlay?) -> Bool {
        if let address, address == underlay?.local { return true }
        guard memory.lease != 0, entry.lease == memory.lease, address == nil || address == memory.address else {
            return false
        }
        return holding != nil || memory.isOfThisBoot && (underlay == nil || underlay?.link.mac == memory.mac)
    }

    /// Goes on with a key that is this host's.
    private func renew(_ entry: EtcdEntry, _ wanted: RegistryLease, _ now: RegistryWord) throws(Trouble) -> Holding? {
        var holding = Holding(subnets: wanted.subnets, lease: entry.lease, seconds: 0, heard: now)
        // A key without a lease was set aside for this host by hand, and stays like that.
        if entry.lease != 0 {
            var seconds: Int?
            // One that is to last another time is not renewed, for its time stays as it is.
            if entry.lease == memory.lease, memory.leaseSeconds == configuration.leaseSeconds {
                seconds = try Trouble.registry { () throws(EtcdError) in try client.keepAlive(entry.lease) }
            }
            if let seconds { holding.seconds = seconds } else { (holding.lease, holding.seconds) = try freshLease() }
        }
        if entry.value == wanted.value, entry.lease == holding.lease { return holding }
        let isReplaced = try Trouble.registry { () throws(EtcdError) in
            try client.replace(entry.key, wanted.value, lease: holding.lease, ifRevision: entry.revision)
        }
        if !isReplaced { return nil }
        if holding.lease == spareLease { spareLease = 0 }
        if holding.lease != entry.lease { drop(entry.lease) }
        return holding
    }

    /// Gives a lease back that has no key any more; if that fails, it ends by itself.
    private func drop(_ lease: Int64) {
        // That of another daemon with this host's address is not this one's to give back.
        if lease != 0, lease == memory.lease { _ = try? client.revoke(lease) }
    }

    /// A new lease, or the one of an attempt that failed.
    private func freshLease() throws(Trouble) -> (number: Int64, seconds: Int) {
        try Trouble.registry { () throws(EtcdError) in
            if spareLease != 0, let seconds = try client.keepAlive(spareLease) { return (spareLease, seconds) }
            spareLease = try client.grant(seconds: configuration.leaseSeconds)
            return (spareLease, configuration.leaseSeconds)
        }
    }

    /// Tells the registry that this host lives, and the plugin that the registry knows.
    func renew() throws(Trouble) {
        guard var held = holding, held.lease != 0 else { return }
        let now = RegistryWord.now()
        guard let seconds = try Trouble.registry({ () throws(EtcdError) in try client.keepAlive(held.lease) }) else {
            throw Trouble(.passing, "the lease on \(RegistryLease.key(held.subnets)) is lost")
        }
        (held.seconds, held.heard) = (seconds, now)
        holding = held
        try rewrite()
    }

    /// Gives the subnet back and takes away all that was made for it.
    func giveBack() throws(Trouble) {
        let listing = try list()
        // The interface may be gone already.
        let underlay = try? findUnderlay()
        let found = all(listing, underlay)
        for (entry, subnets) in found {
            let key = RegistryLease.key(subnets)
            if entry.lease == 0 {
                Daemon.log("\(key) has no lease and stays this host's")
                continue
            }
            let isGone = try Trouble.registry { () throws(EtcdError) in
                if entry.lease != memory.lease { return try client.remove(entry.key, ifRevision: entry.revision) }
                try client.revoke(entry.lease)
                return true
            }
            if !isGone { throw Trouble(.passing, "etcd: \(entry.key) was changed just now; try again") }
            Daemon.log("gave \(key) back")
        }
        if found.isEmpty { Daemon.log("there is nothing to give back: etcd has no subnet of this host") }
        let networks = memory.networks.isEmpty ? (try? read(listing))?.networks ?? [] : memory.networks
        try Trouble.host { () throws(CNIError) in
            try Tunnel.remove(alias: Tunnel.alias(network: configuration.network), networks: networks, &host)
        }
        removeFiles(networks, memory.subnets.isEmpty ? found.first?.subnets ?? [] : memory.subnets)
    }
}
