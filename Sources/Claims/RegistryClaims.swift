// SPDX-License-Identifier: Apache-2.0

import Addressing
import Overlay

/// The hosts of a registry, and who of them must give way because an older key has what theirs wants.
///
/// Addresses are one host's, and so is the hardware address of an end of the tunnel; else one host would take the packets of
/// another. How old a key is nobody can change by writing its value anew. Keys with the same public address are one host's,
/// which may have two subnets for a while.
///
/// Of networks that overlap one is part of the other. So each is looked up as it is, shortened to all lengths that occur,
/// which are few, and among those that were noted as its parts; how many hosts there are does not matter.
public struct RegistryClaims: Sendable {
    /// What the registry says of a host.
    public struct Host: Sendable {
        /// What it has.
        public let lease: RegistryLease
        /// The hardware address of its end of the tunnel; nothing without a tunnel.
        public let mac: MACAddress?
        /// When the key came, in the registry's count.
        public let creation: Int64

        /// Describes a host.
        public init(_ lease: RegistryLease, mac: MACAddress?, creation: Int64) {
            (self.lease, self.mac, self.creation) = (lease, mac, creation)
        }
    }

    /// Why hosts must give way, by key.
    public private(set) var objections: [String: String] = [:]
    private var hosts: [String: Host] = [:]
    /// The keys with exactly this subnet, of which there is hardly ever more than one.
    private var owners: [Prefix: [String]] = [:]
    /// The keys with subnets that are parts of a network, for networks of all lengths.
    private var parts: [Prefix: Set<String>] = [:]
    /// The lengths of subnets that have occurred.
    private var lengths: [IPAddress.Family: [Int]] = [:]
    /// The keys with this end of the tunnel.
    private var ends: [MACAddress: [String]] = [:]

    /// Knows nobody.
    public init() {}

    /// How many hosts are known.
    public var count: Int { hosts.count }

    /// The hosts that have a way, in no order.
    public var accepted: [(key: String, host: Host)] {
        hosts.compactMap { key, host in objections[key] == nil ? (key, host) : nil }
    }

    /// Takes over what the registry says of a host now, or that it says nothing more.
    ///
    /// - Returns: The keys for which that makes a difference, and to whom a way is to lead for them now.
    public mutating func set(_ key: String, _ host: Host?) -> [(key: String, host: Host?)] {
        let before = way(to: key)
        var affected: Set<String> = [key]
        if let old = hosts[key] {
            affected.formUnion(rivals(of: old))
            forget(key, old)
        }
        hosts[key] = host
        if let host {
            note(key, host)
            affected.formUnion(rivals(of: host))
        }
        var differences: [(key: String, host: Host?)] = []
        for other in affected {
            let before = other == key ? before : way(to: other)
            objections[other] = hosts[other].flatMap { objection(to: other, $0) }
            let after = way(to: other)
            if before?.lease != after?.lease { differences.append((other, after)) }
        }
        return differences
    }

    /// The keys that have something of what a host has, its own among them.
    private func rivals(of host: Host) -> Set<String> {
        var keys = Set(host.mac.flatMap { ends[$0] } ?? [])
        for subnet in host.lease.subnets {
            let (around, within) = rivals(for: subnet)
            keys.formUnion(around)
            keys.formUnion(within)
        }
        return keys
    }

    /// To whom a way is to lead for a key; nothing if its host must give way or is not there.
    private func way(to key: String) -> Host? { objections[key] == nil ? hosts[key] : nil }

    /// Why a host must give way; nothing if it need not.
    private func objection(to key: String, _ host: Host) -> String? {
        func goesFirst(_ other: String) -> Bool {
            isOlder(other, key) && hosts[other]?.lease.publicIP != host.lease.publicIP
        }
        for subnet in host.lease.subnets {
            let (around, within) = rivals(for: subnet)
            if let other = around.first(where: goesFirst) ?? within.first(where: goesFirst) {
                return "overlaps " + other + ", which was there before"
            }
        }
        // An end that somebody has copied stays that of the host which had it first, whatever keys that takes later.
        guard let mac = host.mac, let other = ends[mac]?.min(by: isOlder), goesFirst(other) else { return nil }
        return mac.description + " is that of " + other + ", which was there before"
    }

    /// The keys with subnets that a subnet is part of or the same as, and those with parts of it.
    private func rivals(for subnet: Prefix) -> (around: [String], within: Set<String>) {
        var around: [String] = []
        for length in lengths[subnet.address.family] ?? [] where length <= subnet.length {
            if let network = Prefix(address: subnet.address, length: length) { around += owners[network.masked] ?? [] }
        }
        return (around, parts[subnet] ?? [])
    }

    /// Whether a key came before another one; of those of one transaction the first by name counts as older.
    private func isOlder(_ first: String, _ second: String) -> Bool {
        (hosts[first]?.creation ?? 0, first) < (hosts[second]?.creation ?? 0, second)
    }

    private mutating func note(_ key: String, _ host: Host) {
        for subnet in host.lease.subnets {
            owners[subnet, default: []].append(key)
            for network in networks(around: subnet) { parts[network, default: []].insert(key) }
            if lengths[subnet.address.family]?.contains(subnet.length) != true { noteLength(of: subnet) }
        }
        if let mac = host.mac { ends[mac, default: []].append(key) }
    }

    /// Notes the parts of networks with a length that has not occurred before.
    private mutating func noteLength(of first: Prefix) {
        lengths[first.address.family, default: []].append(first.length)
        for (subnet, keys) in owners where subnet.address.family == first.address.family && subnet.length > first.length
        {
            guard let network = Prefix(address: subnet.address, length: first.length)?.masked else { continue }
            parts[network, default: []].formUnion(keys)
        }
    }

    private mutating func forget(_ key: String, _ host: Host) {
        for subnet in host.lease.subnets {
            owners[subnet]?.removeAll { $0 == key }
            if owners[subnet]?.isEmpty == true { owners[subnet] = nil }
            for network in networks(around: subnet) {
                parts[network]?.remove(key)
                if parts[network]?.isEmpty == true { parts[network] = nil }
            }
        }
        guard let mac = host.mac else { return }
        ends[mac]?.removeAll { $0 == key }
        if ends[mac]?.isEmpty == true { ends[mac] = nil }
    }

    /// The networks of all lengths of which a subnet is a part.
    private func networks(around subnet: Prefix) -> [Prefix] {
        (lengths[subnet.address.family] ?? []).compactMap { length in
            length < subnet.length ? Prefix(address: subnet.address, length: length)?.masked : nil
        }
    }
}
