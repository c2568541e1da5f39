// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import Netlink

/// What leads to the hosts of a registry, in memory and in the kernel.
///
/// Who wants which entry is kept, so that the change of one host is worked out without looking at the others: not in the
/// list of hosts, and not in the kernel. Only `ensure` looks at all of it.
public struct RegistryRoutes: Sendable {
    /// A change of what the registry says of a host.
    public struct Change: Sendable {
        /// The key of the host.
        public let key: String
        /// What is there now, or nothing.
        public let lease: RegistryLease?
        /// When it came, in the registry's count.
        public let revision: Int64

        /// Makes a change.
        public init(_ key: String, _ lease: RegistryLease?, revision: Int64) {
            (self.key, self.lease, self.revision) = (key, lease, revision)
        }
    }

    /// How this host takes part.
    public let place: RegistryPlace
    private let tunnel: Tunnel?
    private let alias: String
    /// The interface on which the entries are.
    private var link: Link
    private var hosts: [String: (lease: RegistryLease, revision: Int64)] = [:]
    /// The entries that are wanted, by what makes them exclude each other; the first of several is the kernel's.
    private var wanted: [TunnelEntry.Key: [TunnelEntry]] = [:]
    /// Those of them that the kernel refused, with its reason.
    private var refused: [TunnelEntry.Key: String] = [:]

    /// Leads nowhere yet; the tunnel is without entries, or nothing where plain routes do.
    public init(_ place: RegistryPlace, network: String, tunnel: Tunnel?) {
        (self.place, self.tunnel) = (place, tunnel)
        alias = Tunnel.alias(network: network)
        link = place.underlay.link
    }

    /// The number of the tunnel, or 0 where plain routes do.
    public var tunnelInterface: UInt32 { tunnel == nil ? 0 : link.index }

    /// Whether somebody has changed what was made here, without a look at the kernel.
    public func isDamage(_ event: RouteEvent) -> Bool {
        switch event {
        case .interface(let index), .address(let index):
            return index == link.index || index == place.underlay.link.index
        case .neighbour(let neighbour, let isGone):
            return isDamage(.neighbour(neighbour), isGone: isGone, isPermanent: neighbour.isPermanent)
        case .forwarding(let forwarding, let isGone):
            return isDamage(.forwarding(forwarding), isGone: isGone, isPermanent: forwarding.isPermanent)
        }
    }

    private func isDamage(_ entry: TunnelEntry, isGone: Bool, isPermanent: Bool) -> Bool {
        let own = wanted[entry.key]?.first
        return isGone ? own != nil : own != entry && (own != nil || isPermanent)
    }

    /// How many hosts are known.
    public var count: Int { hosts.count }

    /// Puts all hosts into the place of those that were known; the kernel is told by `ensure`.
    public mutating func replace(_ changes: [Change]) {
        hosts = [:]
        for change in changes { if let lease = change.lease { hosts[change.key] = (lease, change.revision) } }
    }

    /// The hosts to which the kernel refused a way, with its reason: such as that somebody else's route is there.
    public var refusals: [(key: String, reason: String)] {
        if refused.isEmpty { return [] }
        var refusals: [(key: String, reason: String)] = []
        for (key, value) in hosts {
            let entry = list(value.lease).first { refused[$0.key] != nil && wanted[$0.key]?.first == $0 }
            if let entry, let reason = refused[entry.key] { refusals.append((key, reason)) }
        }
        return refusals
    }

    /// Compares all of it with the kernel, and says how many things were changed.
    ///
    /// What leads to one host and is refused costs the others nothing: `refusals` tells of it. To be called with the lock on
    /// shared interfaces held alone.
    public mutating func ensure(_ host: inout Kernel) throws(CNIError) -> Int {
        // Of entries that exclude each other those of the newest host count.
        let order = hosts.values.sorted { $0.revision > $1.revision }
        var all = TunnelEntries(routedTo: [], own: place.subnets, place.underlay, 0, direct: false)
        for (lease, _) in order { all.append(place.entries(to: lease)) }
        refused = [:]
        let count: Int
        if var tunnel {
            tunnel.entries = all
            count = try ensure(tunnel, &host)
        } else {
            // What an earlier backend left.
            try Tunnel.remove(alias: alias, networks: [], &host)
            count = try ensureRoutes(all, &host)
        }
        wanted = [:]
        wanted.reserveCapacity(order.count * 3)
        for (lease, _) in order { for entry in list(lease) { wanted[entry.key, default: []].append(entry) } }
        return count
    }

    private mutating func ensure(_ tunnel: Tunnel, _ host: inout Kernel) throws(CNIError) -> Int {
        var (count, failure) = (0, CNIError?.none)
        do throws(CNIError) { count = try tunnel.ensure(&host) } catch {
            guard error.code == CNIError.Kind.kernel.rawValue else { throw error }
            failure = error
        }
        guard let present = try host.link(named: tunnel.name), present.alias == alias else {
            throw failure ?? CNIError(.tryAgain, "the tunnel \(tunnel.name) is gone again", "somebody removes it")
        }
        link = present
        if failure == nil { return count }
        for change in try tunnel.difference(present, &host) {
            do throws(CNIError) { try tunnel.apply([change], to: present, &host) } catch { try note(error, change) }
            count += 1
        }
        // Unless it was for another host, it must have been the device.
        if refused.isEmpty { return try count + tunnel.ensure(&host) }
        return count - refused.count
    }

    /// Corrects plain routes only.
    private mutating func ensureRoutes(_ all: TunnelEntries, _ host: inout Kernel) throws(CNIError) -> Int {
        var routes = all
        routes.addresses = []
        let list = routes.list(on: link, bridge: nil, underlay: link.index)
        let changes = try routeChanges(to: list, &host)
        do throws(CNIError) { try Tunnel.send(changes, for: link, &host) } catch {
            for change in try routeChanges(to: list, &host) {
                do throws(CNIError) { try Tunnel.send([change], for: link, &host) } catch { try note(error, change) }
            }
        }
        return changes.count - refused.count
    }

    private func routeChanges(to list: [TunnelEntry], _ host: inout Kernel) throws(CNIError) -> [TunnelChange] {
        let present = try Tunnel.routes(through: .max, place.networks, &host)
        return Tunnel.changes(from: present.map { .route($0) }, to: list)
    }

    /// Notes the refusal of what leads to another host; all else is a failure.
    private mutating func note(_ error: CNIError, _ change: TunnelChange) throws(CNIError) {
        guard case .set(let entry, _) = change, entry.order != 0 else { throw error }
        refused[entry.key] = error.description
    }

    /// Tries once more what was refused, and says how much of it was taken.
    public mutating func retry(_ host: inout Kernel) -> Int {
        let before = refused.count
        for key in Array(refused.keys) {
            refused[key] = nil
            guard let entry = wanted[key]?.first else { continue }
            do throws(CNIError) { try Tunnel.send([.set(entry, replaces: false)], for: link, &host) } catch {
                refused[key] = error.description
            }
        }
        return before - refused.count
    }

    /// Removes the plain routes to networks as far as they are no part of others.
    public static func remove(_ networks: [Prefix], besides others: [Prefix], _ host: inout Kernel) throws(CNIError) {
        for route in try Tunnel.routes(through: .max, networks, &host)
        where !others.contains(where: { $0.contains(route.destination) }) {
            var batch = MessageBatch()
            batch.deleteRoute(route)
            try host.send(batch)
        }
    }

    /// Takes over changes of single hosts, and says how many entries that changed.
    ///
    /// When the kernel refuses something, because somebody else has been at it, only `ensure` helps.
    public mutating func apply(_ changes: [Change], _ host: inout Kernel) throws(CNIError) -> Int {
        var before: [TunnelEntry.Key: TunnelEntry?] = [:]
        for change in changes {
            if let old = hosts.removeValue(forKey: change.key) {
                for entry in list(old.lease) {
                    let key = entry.key
                    if before[key] == nil { before.updateValue(wanted[key]?.first, forKey: key) }
                    guard let index = wanted[key]?.firstIndex(of: entry) else { continue }
                    wanted[key]?.remove(at: index)
                    if wanted[key]?.isEmpty == true { wanted[key] = nil }
                }
            }
            guard let lease = change.lease else { continue }
            hosts[change.key] = (lease, change.revision)
            for entry in list(lease) {
                let key = entry.key
                if before[key] == nil { before.updateValue(wanted[key]?.first, forKey: key) }
                wanted[key, default: []].insert(entry, at: 0)
            }
        }
        var sets: [(entry: TunnelEntry, isAnother: Bool)] = []
        var removals: [TunnelEntry] = []
        for (key, old) in before {
            let new = wanted[key]?.first
            if new == old { continue }
            // What is there without having been made here is somebody else's.
            let isPresent = old != nil && refused.removeValue(forKey: key) == nil
            if let new { sets.append((new, isPresent)) }
            if new == nil, isPresent, let old { removals.append(old) }
        }
        sets.sort { $0.entry.order < $1.entry.order }
        removals.sort { $0.order > $1.order }
        var list: [TunnelChange] = sets.map { .set($0.entry, replaces: $0.isAnother) }
        list += removals.map { .delete($0) }
        try Tunnel.send(list, for: link, &host)
        return list.count
    }

    /// The entries that lead to a host, with the numbers of the interfaces in them.
    private func list(_ lease: RegistryLease) -> [TunnelEntry] {
        place.entries(to: lease).list(on: link, bridge: nil, underlay: place.underlay.link.index)
    }
}

extension TunnelEntries {
    /// Adds what leads to more hosts.
    fileprivate mutating func append(_ other: TunnelEntries) {
        routed += other.routed
        direct += other.direct
        forwarding += other.forwarding
    }
}
