// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import JSON
import Linux
import Netlink

/// The interfaces, addresses and routes of one namespace at one moment.
struct HostState {
    /// An interface with its addresses.
    struct Device {
        /// The interface.
        let link: Link
        /// The addresses, as many as there are.
        let addresses: [InterfaceAddress]
        /// The name of the bridge that it is a port of; empty if it is none.
        let master: String
    }

    /// A route with the name of its interface.
    struct NamedRoute {
        /// The route.
        let route: Route
        /// The name of the interface by which packets leave.
        let device: String

        /// The route as ip-route(8) writes it.
        var text: String {
            var text = route.destination.length == 0 ? "default" : route.destination.description
            if route.destination.length == 0, route.destination.address.family == .v6 { text = "default (IPv6)" }
            if let gateway = route.gateway { text += " via \(gateway.description)" }
            text += " dev \(device)"
            if route.table != 254 { text += " table \(route.table)" }
            return text
        }
    }

    /// The interfaces in the order of their numbers.
    let devices: [Device]
    /// The routes that somebody may have made.
    let routes: [NamedRoute]

    /// Looks around in the namespace of the calling thread.
    static func capture() throws(CNIError) -> HostState {
        var socket = try RouteSocket<CNIError>.open()
        return try capture(&socket)
    }

    /// Looks around in the namespace behind a path.
    static func capture(in path: String) throws(CNIError) -> HostState {
        let namespace = try CNIError.attempt("open \(path)") { () throws(Errno) in try NetworkNamespace.open(path) }
        return try namespace.perform { () throws(CNIError) in try capture() }
    }

    private static func capture(_ socket: inout RouteSocket<CNIError>) throws(CNIError) -> HostState {
        let links = try socket.links()
        var devices: [Device] = []
        for link in links {
            let master = links.first { $0.index == link.master }?.name ?? ""
            devices.append(Device(link: link, addresses: try socket.addresses(of: link.index), master: master))
        }
        var routes: [NamedRoute] = []
        for route in try socket.routes(.v4) + socket.routes(.v6) where isNotable(route) {
            routes.append(NamedRoute(route: route, device: links.first { $0.index == route.interface }?.name ?? "?"))
        }
        return HostState(devices: devices, routes: routes)
    }

    /// Whether a route tells anything: the kernel's own for local addresses, links and groups do not.
    private static func isNotable(_ route: Route) -> Bool {
        let destination = route.destination.address
        return route.table != 255 && !destination.isMulticast
            && !(destination.isLinkLocalUnicast && route.gateway == nil)
    }

    /// The device of a name, if there is one.
    func device(_ name: String) -> Device? { devices.first { $0.link.name == name } }

    /// The device that has an address, if there is one.
    func device(with address: IPAddress) -> Device? {
        devices.first { $0.addresses.contains { $0.prefix.address == address } }
    }

    /// Whether an address may not be used yet, because nobody knows whether it is unique.
    var hasTentativeAddresses: Bool {
        devices.contains { device in
            device.link.isOperational
                && device.addresses.contains { $0.isTentative && !$0.prefix.address.isLinkLocalUnicast }
        }
    }

    /// The devices that another moment lacks.
    func devices(since before: HostState) -> [Device] { devices.filter { before.device($0.link.name) == nil } }
}

extension HostState.Device {
    /// The state in one word.
    var state: String { link.isUp ? (link.isOperational || link.name == "lo" ? "up" : "no carrier") : "down" }

    /// The addresses as people write them.
    var addressTexts: [String] { addresses.map { $0.prefix.description } }

    /// The kind, with words for those that have none.
    var kind: String { link.kind.isEmpty ? (link.name == "lo" ? "loopback" : "device") : link.kind }

    /// The device in JSON output.
    var json: JSON {
        [
            "name": .string(link.name), "kind": .string(kind), "mac": .string(link.mac?.description ?? ""),
            "mtu": .int(Int(link.mtu)), "state": .string(state), "master": .string(master),
            "addresses": .array(addressTexts.map { .string($0) }),
        ]
    }
}
