// SPDX-License-Identifier: Apache-2.0

import Addressing
import Netlink

/// How this host takes part in a network that a registry keeps.
public struct RegistryPlace: Sendable {
    /// The network below.
    public let underlay: Underlay
    /// The networks of all hosts.
    public let networks: [Prefix]
    /// The subnets of this host.
    public let subnets: [Prefix]
    /// How packets get from host to host.
    public let backend: RegistryConfiguration.Backend

    /// Describes the place of this host.
    public init(
        _ underlay: Underlay,
        networks: [Prefix],
        subnets: [Prefix],
        backend: RegistryConfiguration.Backend
    ) {
        (self.underlay, self.networks, self.subnets, self.backend) = (underlay, networks, subnets, backend)
    }

    /// What a lease says of a host in this network.
    ///
    /// When IPv6 is switched off, hosts that have not heard of it yet, or never will, have subnets of both versions of IP.
    public func part(of lease: RegistryLease) -> RegistryLease {
        var part = lease
        part.subnets.removeAll { subnet in !networks.contains { $0.address.family == subnet.address.family } }
        // Of a host of which nothing is left it is to be said why.
        return part.subnets.isEmpty ? lease : part
    }

    /// Why a host of the registry cannot be reached; nothing if it can.
    ///
    /// One host's mistake must not cost the others anything, so nobody is refused for it but that host.
    public func complaint(_ lease: RegistryLease) -> String? {
        if lease.backend != backend.name {
            return "it takes part by \(lease.backend), and this network by \(backend.name)"
        }
        for subnet in lease.subnets where !networks.contains(where: { $0.contains(subnet) }) {
            return "\(subnet.description) is not part of the network"
        }
        for subnet in lease.subnets where subnets.contains(where: { $0.overlaps(subnet) }) {
            return "\(subnet.description) overlaps this host's own subnet"
        }
        for address in [underlay.local, lease.publicIP] where lease.subnets.contains(where: { $0.contains(address) }) {
            return "its subnet contains \(address.description), the address of a host"
        }
        if underlay.addresses.contains(where: { $0.prefix.address == lease.publicIP }) {
            return "it has this host's address \(lease.publicIP.description)"
        }
        if underlay.isNobody(lease.publicIP) {
            return "\(lease.publicIP.description) stands for all hosts of the link \(underlay.link.name)"
        }
        if lease.publicIP.family != underlay.local.family {
            return "\(lease.publicIP.description) is of another version of IP than \(underlay.local.description)"
        }
        switch backend {
        case .vxlan(let identifier, _, _):
            if let number = lease.identifier, number != identifier {
                return "its VNI is \(number), and this network's is \(identifier)"
            }
            guard let mac = end(of: lease), mac == .following(underlay.local, in: identifier) else { return nil }
            return mac.description + " is that of this host's end of the tunnel"
        case .hostGateway:
            if underlay.isOnLink(lease.publicIP) { return nil }
            return "\(lease.publicIP.description) is not on the link \(underlay.link.name), as host-gw needs it"
        }
    }

    /// The hardware address of a host's end of the tunnel, which follows from its address unless it says so; nothing without one.
    public func end(of lease: RegistryLease) -> MACAddress? {
        guard case .vxlan(let identifier, _, _) = backend else { return nil }
        return lease.vtepMAC ?? .following(lease.publicIP, in: identifier)
    }

    /// What leads to a host.
    func entries(to lease: RegistryLease) -> TunnelEntries {
        switch backend {
        case .vxlan(let identifier, _, let direct):
            let peer = Peer([lease.publicIP], subnets: lease.subnets, vtepMAC: lease.vtepMAC, place: lease.key)
            return TunnelEntries(routedTo: [peer], own: [], underlay, identifier, direct: direct)
        case .hostGateway:
            var entries = TunnelEntries()
            for subnet in lease.subnets where subnet.address.family == lease.publicIP.family {
                entries.direct.append((subnet, lease.publicIP))
            }
            return entries
        }
    }
}

extension RegistryPlace {
    /// Whether this host has other addresses than it had, as far as what leads to the others depends on them.
    ///
    /// That is which networks are on the link below, and which addresses are those of this host; their flags and how long they
    /// last change nothing. The overlay's own come and go with containers, and those of IPv6 that are good on one link only with
    /// interfaces.
    public func isOutdated(by addresses: [InterfaceAddress]) -> Bool {
        let (before, now) = (telling(underlay.addresses), telling(addresses))
        return before.contains { !now.contains($0) } || now.contains { !before.contains($0) }
    }

    /// The addresses that count: on the link below each with its network, elsewhere alone, for which the length is 0.
    private func telling(_ addresses: [InterfaceAddress]) -> [Prefix] {
        addresses.compactMap { own in
            let address = own.prefix.address
            let isOfLink = address.family == .v6 && address.isLinkLocalUnicast
            if isOfLink || subnets.contains(where: { $0.contains(address) }) { return nil }
            return own.interface == underlay.link.index ? own.prefix : Prefix(address: address, length: 0)
        }
    }
}

extension Underlay {
    /// Whether an address of the link is that of the network itself or of all its hosts.
    fileprivate func isNobody(_ address: IPAddress) -> Bool {
        addresses.contains { own in
            let network = own.prefix
            guard own.interface == link.index, address.family == .v4, network.length < 31 else { return false }
            return address == network.network || address == network.last
        }
    }
}
