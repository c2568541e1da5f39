// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import Linux
import Netlink

extension Tunnel {
    /// What is to be changed on a device that is there, in the order in which it does the least harm.
    ///
    /// What is new is there before a route leads to it, and what is old goes after its route.
    func difference(_ link: Link, _ host: inout Kernel) throws(CNIError) -> [TunnelChange] {
        var bridgeLink: Link?
        if let bridge { bridgeLink = try host.link(named: bridge) }
        var changes = deviceChanges(link, bridge: bridgeLink)
        guard let entries else { return changes }
        let wanted = entries.list(on: link, bridge: bridgeLink, underlay: settings.underlay ?? 0)
        let forwarding = try host.forwardingEntries(of: link.index)
        let present = try presentEntries(link, bridge: bridgeLink, forwarding, &host)

        let corrections = Self.changes(from: present, to: wanted)
        changes += corrections
        // What was learnt of a host that goes would lead there until it is forgotten.
        for case .delete(.forwarding(let gone)) in corrections where gone.isForUnknown {
            for entry in forwarding where !entry.isPermanent && entry.destination == gone.destination {
                changes.append(.delete(.forwarding(entry)))
            }
        }
        return changes
    }

    /// What makes one list of entries of another, in the order in which it does the least harm.
    ///
    /// Of wanted entries that exclude each other the first one counts.
    static func changes(from present: [TunnelEntry], to wanted: [TunnelEntry]) -> [TunnelChange] {
        var changes: [TunnelChange] = []
        // Which of those that are present has a key; a negative number once it is as wanted.
        var known: [TunnelEntry.Key: Int] = [:]
        known.reserveCapacity(present.count)
        var removals: [TunnelEntry] = []
        var missing: [(entry: TunnelEntry, isAnother: Bool)] = []
        for (index, entry) in present.enumerated() where known.updateValue(index, forKey: entry.key) != nil {
            // What is there twice, such as a second next hop of a route, is one too many.
            removals.append(entry)
        }
        for entry in wanted {
            let index = known.updateValue(-1, forKey: entry.key)
            if let index, index < 0 || present[index] == entry { continue }
            missing.append((entry, index != nil))
        }
        for (_, index) in known where index >= 0 { removals.append(present[index]) }
        // One of the host's own addresses may be the next hop to the host that has its subnet now; and with the last one the
        // kernel would remove all routes.
        for (entry, isAnother) in missing where entry.order == 0 { changes.append(.set(entry, replaces: isAnother)) }
        for entry in removals where entry.order == 0 { changes.append(.delete(entry)) }
        for (entry, isAnother) in missing where entry.order != 0 { changes.append(.set(entry, replaces: isAnother)) }
        for order in [3, 2, 1] as [UInt8] {
            for entry in removals where entry.order == order { changes.append(.delete(entry)) }
        }
        return changes
    }

    /// The kernel's setting by which the device takes no IPv6 addresses.
    var disablesIPv6: String { "net/ipv6/conf/" + name + "/disable_ipv6" }

    /// What differs on the device itself.
    private func deviceChanges(_ link: Link, bridge: Link?) -> [TunnelChange] {
        var changes: [TunnelChange] = []
        let present = link.vxlan ?? VXLANSettings(identifier: 0)
        if present.local != settings.local || present.underlay != settings.underlay || present.learns != settings.learns
        {
            var change = VXLANSettings(identifier: settings.identifier)
            (change.local, change.underlay, change.learns) = (settings.local, settings.underlay, settings.learns)
            changes.append(.settings(change))
        }
        if link.mac != mac {
            var change = LinkChange()
            change.mac = mac
            changes.append(.link(change, "its hardware address is not " + mac.description))
        }
        if link.mtu != mtu {
            var change = LinkChange()
            change.mtu = mtu
            changes.append(.link(change, "its MTU is \(link.mtu), not \(mtu)"))
        }
        let learns = settings.learns ?? true
        if let bridge {
            if link.master != bridge.index {
                var change = LinkChange()
                change.master = bridge.index
                changes.append(.link(change, "it is not a port of " + bridge.name))
            }
            // A flood that the port sends back where it came from would go round for ever. Whether it is isolated is for others
            // to say: firewall keeps containers of other hosts away by that.
            let port = link.master == bridge.index ? link.port : nil
            let isDisabled = port?.isDisabled == true && link.isUp && bridge.isUp
            if port?.learns != learns || port?.suppressesNeighbours != suppressesNeighbours || port?.hairpin != false
                || isDisabled
            {
                changes.append(.port(learns: learns, suppresses: suppressesNeighbours, wasDisabled: isDisabled))
            }
        }
        if !link.isUp { changes.append(.link(.up, "it is down")) }
        // As on a host whose new interfaces have no IPv6.
        if networks.contains(where: { $0.address.family == .v6 }), (try? Sysctl.read(disablesIPv6)) == "1" {
            changes.append(.allowIPv6)
        }
        if let checksumOffload, (try? ChecksumOffload.isOn(name)) != checksumOffload {
            changes.append(.checksum(checksumOffload))
        }
        return changes
    }

    /// The entries of the kernel that are ours.
    ///
    /// On the device all that were set and not learnt, but for the group's, which the kernel makes; elsewhere those that
    /// bear our number.
    private func presentEntries(
        _ link: Link,
        bridge: Link?,
        _ forwarding: [ForwardingEntry],
        _ host: inout Kernel
    ) throws(CNIError) -> [TunnelEntry] {
        var entries: [TunnelEntry] = []
        for address in try host.addresses(of: link.index) where !address.prefix.address.isLinkLocalUnicast {
            entries.append(.address(address.prefix))
        }
        for neighbour in try host.neighbours(of: link.index) where neighbour.isPermanent {
            entries.append(.neighbour(neighbour))
        }
        if let bridge { entries += try Self.endpoints(on: bridge.index, &host) }
        for entry in forwarding where entry.isPermanent {
            if entry.isForUnknown && entry.destination == settings.group { continue }
            entries.append(.forwarding(entry))
        }
        for route in try Self.routes(through: link.index, networks, &host) { entries.append(.route(route)) }
        return entries
    }

    /// The containers of other hosts that a bridge was told of.
    static func endpoints(on bridge: UInt32, _ host: inout Kernel) throws(CNIError) -> [TunnelEntry] {
        try host.neighbours(of: bridge).filter { $0.origin == origin }.map { .neighbour($0) }
    }

    /// The routes that are ours: through the device, or none if the number is the largest, and past it to the network's hosts.
    ///
    /// Another network may be part of ours, and its routes go through a device of its own.
    static func routes(
        through device: UInt32,
        _ networks: [Prefix],
        _ host: inout Kernel
    ) throws(CNIError) -> [Route] {
        let others = try host.links(kind: "vxlan").filter { $0.index != device }
        var routes: [Route] = []
        for family in [IPAddress.Family.v4, .v6] {
            routes += try host.routes(family, origin: origin).filter { route in
                route.isUnicast
                    && (route.interface == device
                        || networks.contains { $0.contains(route.destination) }
                            && !others.contains { $0.index == route.interface })
            }
        }
        return routes
    }
}

extension TunnelEntries {
    /// All entries, with the numbers of the interfaces in them, in the order in which they are to be made.
    func list(on link: Link, bridge: Link?, underlay: UInt32) -> [TunnelEntry] {
        var list: [TunnelEntry] = addresses.map { .address($0) }
        for (subnet, mac) in routed {
            list.append(.neighbour(neighbour(Self.gateway(subnet), mac, link)))
        }
        if let bridge {
            for endpoint in endpoints { list.append(.neighbour(neighbour(endpoint.address, endpoint.mac, bridge))) }
            for endpoint in endpoints { list.append(.forwarding(ForwardingEntry(endpoint.mac, port: link.index))) }
        }
        for (mac, host) in forwarding { list.append(.forwarding(ForwardingEntry(mac, behind: host, on: link.index))) }
        for (subnet, _) in routed { list.append(route(subnet, Self.gateway(subnet), link.index, isTunnelled: true)) }
        for (subnet, gateway) in direct { list.append(route(subnet, gateway, underlay, isTunnelled: false)) }
        return list
    }

    private func neighbour(_ address: IPAddress, _ mac: MACAddress, _ link: Link) -> Neighbour {
        var neighbour = Neighbour(address, mac: mac, interface: link.index)
        neighbour.origin = Tunnel.origin
        return neighbour
    }

    private func route(_ subnet: Prefix, _ gateway: IPAddress, _ index: UInt32, isTunnelled: Bool) -> TunnelEntry {
        var route = Route(to: subnet, via: gateway, interface: index)
        route.origin = Tunnel.origin
        route.isOnLink = isTunnelled && gateway.family == .v4
        if gateway.family == .v4 { route.scope = Self.scope(subnet) }
        // What the kernel takes for IPv6 when nobody says anything.
        if gateway.family == .v6 { route.priority = 1024 }
        return .route(route)
    }
}
