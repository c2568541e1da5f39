// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Netlink

/// Why packets may not get from one host to another, as far as the kernel's own tables tell.
enum Diagnosis {
    /// What is wrong with the way from a host to an address of another one, or with the way back.
    static func text(_ source: TrialHost, _ target: TrialHost, _ address: IPAddress, _ plan: HostsPlan) -> String {
        let back = source.containerAddresses.first { $0.family == address.family }
        let found = try? problem(source, target, address, plan)
        if let problem = found ?? nil { return problem }
        if let back, let problem = (try? problem(target, source, back, plan)) ?? nil {
            return "on the way back, \(problem)"
        }
        return "routes, neighbours and forwarding entries are there in both directions: look at the packet filters of "
            + "\(source.name) and \(target.name), and at what other plugins of the network do"
    }

    private static func problem(
        _ source: TrialHost,
        _ target: TrialHost,
        _ address: IPAddress,
        _ plan: HostsPlan
    ) throws(CNIError) -> String? {
        try source.perform { () throws(CNIError) in
            var socket = try RouteSocket<CNIError>.open()
            if plan.isBridged { return try flooding(&socket, source, target) }
            guard let route = try socket.route(to: address), let link = try socket.link(index: route.interface) else {
                return "\(source.name) has no route to \(address.description)"
            }
            if let gateway = route.gateway, target.addresses.contains(gateway) { return nil }
            guard link.vxlan != nil, let hop = route.gateway else {
                return "\(source.name) sends packets to \(address.description) to \(link.name), and not to a tunnel: "
                    + "look at ip route"
            }
            return try forwarding(&socket, source, target, link, hop)
        }
    }

    /// What is missing behind a route into the tunnel.
    private static func forwarding(
        _ socket: inout RouteSocket<CNIError>,
        _ source: TrialHost,
        _ target: TrialHost,
        _ link: Link,
        _ hop: IPAddress
    ) throws(CNIError) -> String? {
        let place = "\(link.name) of \(source.name)"
        guard let neighbour = try socket.neighbours(of: link.index).first(where: { $0.address == hop }) else {
            return "\(place) has no neighbour \(hop.description): look at ip neigh"
        }
        let mac = neighbour.mac.description
        let entries = try socket.forwardingEntries(of: link.index).filter { $0.mac == neighbour.mac }
        guard let destination = entries.compactMap({ $0.destination }).first else {
            return "\(place) does not know behind which host \(mac) is: look at bridge fdb"
        }
        if !target.addresses.contains(destination) {
            return
                "\(place) has \(mac) behind \(destination.description), which is not \(target.name): look at bridge fdb"
        }
        let theirs = target.after?.devices.first {
            $0.link.vxlan?.identifier == link.vxlan?.identifier && $0.kind == "vxlan"
        }
        guard let own = theirs?.link.mac, own != neighbour.mac else { return nil }
        return "\(place) sends to \(mac), and the tunnel of \(target.name) has \(own.description): look at vtepMAC"
    }

    /// What is missing for frames to all hosts of a stretched link.
    private static func flooding(
        _ socket: inout RouteSocket<CNIError>,
        _ source: TrialHost,
        _ target: TrialHost
    ) throws(CNIError) -> String? {
        guard let link = try socket.links(kind: "vxlan").first else { return "\(source.name) has no tunnel" }
        let destinations = try socket.forwardingEntries(of: link.index).compactMap { $0.destination }
        if destinations.contains(where: { $0.isMulticast || target.addresses.contains($0) }) { return nil }
        return "\(link.name) of \(source.name) has no entry that leads to \(target.name): look at bridge fdb"
    }
}
