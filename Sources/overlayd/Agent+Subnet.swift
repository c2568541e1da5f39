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
        let now = Clock.realNanoseconds() / 1_000_000_000
        var wanted: RegistryLease { lease([], network, underlay) }
        if let own = find(listing, wanted) {
            guard network.allows(own.subnets) else {
                Daemon.log("\(own.entry.key) does not fit the network any more and is given back")
                try Trouble.registry { () throws(EtcdError) in
                    _ = try client.remove(own.entry.key, ifRevision: own.entry.revision)
                }
                return nil
            }
            return try renew(own.entry, lease(own.subnets, network, underlay), now)
        }
        let used = listing.entries.compactMap { hostKey($0.key) }.compactMap { RegistryLease.subnets(key: $0) }
        let all = used.flatMap { $0 }
        var subnets = memory.subnets
        if !network.allows(subnets) || subnets.contains(where: { own in all.contains { $0.overlaps(own) } }) {
            guard let free = network.choose(besides: all, (try? Clock.entropy()) ?? 0) else {
                throw Trouble(
                    .passing,
                    "etcd: no subnet of \(network.networks[0].description) is free; \(used.count) hosts have one"
                )
            }
            subnets = free
        }
        let (number, seconds) = try freshLease()
        let value = lease(subnets, network, underlay)
        let isTaken = try Trouble.registry { () throws(EtcdError) in
            try client.create(subnetPrefix + value.key, value.value, lease: number)
        }
        if !isTaken { return nil }
        spareLease = 0
        return Holding(subnets: subnets, lease: number, seconds: seconds, renewed: now)
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
            lease.vtepMAC = Peer.vtepMAC(identifier: identifier, publicIP: underlay.local)
        }
        return lease
    }

    /// The key that is this host's: it says its address, or it was taken since this host was started.
    private func find(
        _ listing: EtcdListing,
        _ wanted: RegistryLease
    ) -> (entry: EtcdEntry, subnets: [Prefix])? {
        let isOurs = memory.lease != 0 && memory.isOfThisBoot
        var found: (entry: EtcdEntry, subnets: [Prefix])?
        for entry in listing.entries {
            guard let key = hostKey(entry.key), let subnets = RegistryLease.subnets(key: key) else { continue }
            let address = (try? RegistryLease(key: key, value: entry.value))?.publicIP
            guard address == wanted.publicIP || (isOurs && entry.lease == memory.lease) else { continue }
            // Of several the one that this host had last.
            if subnets == memory.subnets { return (entry, subnets) }
            if found == nil { found = (entry, subnets) }
        }
        return found
    }

    /// Goes on with a key that is this host's.
    private func renew(_ entry: EtcdEntry, _ wanted: RegistryLease, _ now: Int64) throws(Trouble) -> Holding? {
        var holding = Holding(subnets: wanted.subnets, lease: entry.lease, seconds: 0, renewed: now)
        // A key without a lease was set aside for this host by hand, and stays like that.
        if entry.lease != 0 {
            var seconds: Int?
            if entry.lease == memory.lease {
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
        return holding
    }

    /// A new lease, or the one of an attempt that failed.
    private func freshLease() throws(Trouble) -> (number: Int64, seconds: Int) {
        try Trouble.registry { () throws(EtcdError) in
            if spareLease != 0, let seconds = try client.keepAlive(spareLease) { return (spareLease, seconds) }
            spareLease = try client.grant(seconds: configuration.leaseSeconds)
            return (spareLease, configuration.leaseSeconds)
        }
    }

    /// Tells the registry that this host lives.
    func keepAlive() throws(Trouble) {
        guard var held = holding, held.lease != 0 else { return }
        let now = Clock.realNanoseconds() / 1_000_000_000
        guard let seconds = try Trouble.registry({ () throws(EtcdError) in try client.keepAlive(held.lease) }) else {
            throw Trouble(.passing, "the lease on \(RegistryLease.key(held.subnets)) is lost")
        }
        (held.seconds, held.renewed) = (seconds, now)
        holding = held
    }

    /// Gives the subnet back and takes away all that was made for it.
    func giveBack() throws(Trouble) {
        let name = configuration.network
        if memory.lease != 0 {
            try Trouble.registry { () throws(EtcdError) in try client.revoke(memory.lease) }
            Daemon.log("gave \(RegistryLease.key(memory.subnets)) back")
        } else if !memory.subnets.isEmpty {
            Daemon.log("\(RegistryLease.key(memory.subnets)) has no lease and stays this host's")
        }
        try Trouble.host { () throws(CNIError) in
            try RegistryRoutes.remove(network: name, networks: memory.networks, &host)
        }
        for path in files { WholeFile.remove(path) }
    }
}
