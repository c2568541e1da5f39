// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Linux
import Netlink

/// The link that joins private hosts: a bridge in a namespace of its own, which the process stays in.
enum PrivateUnderlay {
    private static let bridge = "underlay"

    /// Leaves the real host, makes the link and its hosts, and returns these in the order of the plan.
    static func make(_ plan: HostsPlan, covering directories: [String]) throws(CNIError) -> [HostNamespaces] {
        try PrivateHost.leaveHost(covering: directories)
        var socket = try RouteSocket<CNIError>.open()
        var links = MessageBatch()
        links.addLink(NewLink(name: bridge, kind: .bridge(filtersVLANs: false), isUp: true))
        links.setLink("lo", up)
        try socket.send(links)
        guard let link = try socket.link(named: bridge) else {
            throw CNIError(.kernel, "the bridge \(bridge) has gone", "somebody removed it just now")
        }
        try furnish(&socket, link, plan.linkAddresses, routers: [])
        var hosts: [HostNamespaces] = []
        for (index, host) in plan.hosts.enumerated() {
            let namespaces = try HostNamespaces.make(covering: directories)
            var port = MessageBatch()
            let peer = VethPeer(name: plan.interface, namespace: namespaces.network.rawValue)
            port.addLink(NewLink(name: "host\(index + 1)", kind: .veth(peer: peer), master: link.index, isUp: true))
            try socket.send(port)
            try namespaces.perform { () throws(CNIError) in try furnish(host, plan) }
            hosts.append(namespaces)
        }
        return hosts
    }

    private static var up: LinkChange {
        var up = LinkChange()
        up.isUp = true
        return up
    }

    /// Switches the interfaces of a host on and gives it its addresses.
    private static func furnish(_ host: HostsPlan.Host, _ plan: HostsPlan) throws(CNIError) {
        var socket = try RouteSocket<CNIError>.open()
        var links = MessageBatch()
        links.setLink("lo", up)
        links.setLink(plan.interface, up)
        try socket.send(links)
        guard let link = try socket.link(named: plan.interface) else { return }
        let routers = plan.routers.filter { router in host.addresses.contains { $0.contains(router) } }
        try furnish(&socket, link, host.addresses, routers: routers)
    }

    private static func furnish(
        _ socket: inout RouteSocket<CNIError>,
        _ link: Link,
        _ addresses: [Prefix],
        routers: [IPAddress]
    ) throws(CNIError) {
        var batch = MessageBatch()
        for address in addresses { batch.addAddress(address, to: link.index) }
        for router in routers {
            batch.addRoute(
                Route(to: router.family == .v4 ? .defaultV4 : .defaultV6, via: router, interface: link.index)
            )
        }
        try socket.send(batch)
    }
}
