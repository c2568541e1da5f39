// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import Netlink

/// The network below the overlay, seen from this host.
public struct Underlay: Sendable {
    /// The interface by which the others are reached.
    public let link: Link
    /// The address by which the others reach this host.
    public let local: IPAddress
    /// All addresses of this host.
    let addresses: [InterfaceAddress]

    /// What a tunnel adds to each packet: the inner Ethernet header, VXLAN, UDP and the outer IP header.
    public var overhead: UInt32 { local.family == .v4 ? 14 + 8 + 8 + 20 : 14 + 8 + 8 + 40 }

    /// Whether a host is reached without a router.
    public func isOnLink(_ address: IPAddress) -> Bool {
        addresses.contains { $0.interface == link.index && $0.prefix.masked.contains(address) }
    }

    /// Whether a host that is listed is this one, by whichever of its addresses.
    @inline(never)
    public func isThisHost(_ peer: Peer) -> Bool {
        addresses.contains { peer.publicIPs.contains($0.prefix.address) }
    }

    /// Finds this host's place in the underlay.
    ///
    /// The address is the one that is given, or that of the host's own entry in the list of hosts, or the first one of the
    /// interface. What is missing may still come, so the caller says what kind of failure that is.
    public static func find(
        interface: String?,
        local: IPAddress?,
        peers: [Peer],
        missing: CNIError.Kind,
        _ host: inout Kernel
    ) throws(CNIError) -> Underlay {
        let addresses = try host.addresses()
        var named: Link?
        if let interface {
            named = try host.link(named: interface)
            if named == nil {
                throw CNIError(missing, "no interface " + interface, "master: it must exist on the host")
            }
        }
        // Itself among those that are listed: few addresses and many hosts, so this way round.
        let listed = peers.first { peer in
            addresses.contains { !$0.hasFailed && peer.publicIPs.contains($0.prefix.address) }
        }
        guard let own = choose(local, listed, peers, addresses, on: named) else {
            throw nobody(local, listed, peers, named, missing)
        }
        let index = named?.index ?? own.interface
        guard let link = try host.link(index: index) else {
            throw CNIError(missing, "the underlay has gone", "the interface \(index) was removed just now")
        }
        if link.name == "lo" {
            throw CNIError(
                .invalidConfiguration,
                "invalid network config",
                "master: with " + own.prefix.address.description + " it is lo, which leads to no other host; name it"
            )
        }
        guard link.isUp else {
            throw CNIError(
                missing,
                "the interface " + link.name + " is down",
                "master: the others are reached through it"
            )
        }
        return Underlay(link: link, local: own.prefix.address, addresses: addresses)
    }

    private static func choose(
        _ local: IPAddress?,
        _ listed: Peer?,
        _ peers: [Peer],
        _ addresses: [InterfaceAddress],
        on link: Link?
    ) -> InterfaceAddress? {
        // By its first address the others reach it, so no other one will do while that is not there yet.
        if let local = local ?? listed?.publicIPs.first { return addresses.first { $0.prefix.address == local } }
        guard let link else { return nil }
        // Nobody can tell the family but those that are listed.
        let family = peers.first?.publicIPs.first?.family
        let usable = addresses.filter { address in
            address.interface == link.index && address.scope == 0 && !address.hasFailed
        }
        let fitting = usable.filter { $0.prefix.address.family == (family ?? .v4) }
        let candidates = fitting.isEmpty && family == nil ? usable : fitting
        // The others know this host by an address that stays.
        return candidates.first { $0.isLasting } ?? candidates.first
    }

    private static func nobody(
        _ local: IPAddress?,
        _ listed: Peer?,
        _ peers: [Peer],
        _ link: Link?,
        _ kind: CNIError.Kind
    ) -> CNIError {
        if local == nil, let first = listed?.publicIPs.first {
            return CNIError(
                kind,
                "no interface has the address " + first.description + ", by which the others reach this host",
                "publicIP: it is still to come, or local must be given"
            )
        }
        if let local {
            return CNIError(
                kind,
                "no interface has the address " + local.description,
                "local: it must be an address of this host"
            )
        }
        if let link {
            return CNIError(
                kind,
                "the interface " + link.name + " has no address that can be used",
                "master: it needs a global address of the family of the other hosts"
            )
        }
        return CNIError(
            kind,
            "this host does not find itself",
            peers.isEmpty
                ? "give local, the address by which the others reach this host, or master, its interface"
                : "none of the \(peers.count) listed hosts has an address of this one as publicIP; add it, or give local"
        )
    }
}
