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

    /// Leads nowhere yet; the tunnel is without entries, or nothing where plain routes do.
    public init(_ place: RegistryPlace, network: String, tunnel: Tunnel?) {
        (self.place, self.tunnel) = (place, tunnel)
        alias = Tunnel.alias(network: network)
        link = place.underlay.link
    }

    /// The number of the interface on which the entries are.
    public var interface: UInt32 { link.index }

    /// How many hosts are known.
    public var count: Int { hosts.count }

    /// Puts all hosts into the place of those that were known; the kernel is told by `ensure`.
    public mutating func replace(_ changes: [Change]) {
        hosts = [:]
        for change in changes { if let lease = change.lease { hosts[change.key] = (lease, change.revision) } }
    }

    /// Compares all of it with the kernel, and says how many things were changed.
    ///
    /// To be called with the lock on shared interfaces held alone.
    public mutating func ensure(_ host: inout Kernel) throws(CNIError) -> Int {
        // Of entries that exclude each other those of the newest host count.
        let order = hosts.values.sorted { $0.revision > $1.revision }
        var all = TunnelEntries(routedTo: [], own: place.subnets, place.underlay, 0, direct: false)
        for (lease, _) in order { all.append(place.entries(to: lease)) }
        let count: Int
        if var tunnel {
            tunnel.entries = all
            count = try tunnel.ensure(&host)
            guard let present = try host.link(named: tunnel.name) else {
                throw CNIError(.tryAgain, "the tunnel \(tunnel.name) is gone again", "somebody removes it")
            }
            link = present
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

    /// Corrects plain routes only.
    private func ensureRoutes(_ all: TunnelEntries, _ host: inout Kernel) throws(CNIError) -> Int {
        var routes = all
        routes.addresses = []
        let present = try Self.present(place.networks, &host)
        let changes = Tunnel.changes(from: present, to: routes.list(on: link, bridge: nil, underlay: link.index))
        try Tunnel.send(changes, for: link, &host)
        return changes.count
    }

    /// The routes to hosts of networks that bear our number.
    private static func present(_ networks: [Prefix], _ host: inout Kernel) throws(CNIError) -> [TunnelEntry] {
        var present: [TunnelEntry] = []
        for family in [IPAddress.Family.v4, .v6] {
            let routes = try host.routes(family, origin: Tunnel.origin)
            for route in routes where networks.contains(where: { $0.contains(route.destination) }) {
                present.append(.route(route))
            }
        }
        return present
    }

    /// Removes all that was made for a network: the tunnel, and what leads to other hosts.
    public static func remove(network: String, networks: [Prefix], _ host: inout Kernel) throws(CNIError) {
        try Tunnel.remove(alias: Tunnel.alias(network: network), networks: networks, &host)
        for case .route(let route) in try present(networks, &host) {
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
        var sets: [TunnelEntry] = []
        var removals: [TunnelEntry] = []
        for (key, old) in before {
            let new = wanted[key]?.first
            if let new, new != old { sets.append(new) }
            if new == nil, let old { removals.append(old) }
        }
        sets.sort { $0.order < $1.order }
        removals.sort { $0.order > $1.order }
        var list: [TunnelChange] = sets.map { .set($0, replaces: true) }
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
