// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Linux
import Netlink

/// A host of our own: fresh namespaces with an uplink to a neighbour, in which all that plugins write lands in memory.
///
/// It lives and ends with the process, whatever ends that.
struct PrivateHost {
    /// The address by which others would reach the host.
    static let address = "192.0.2.1/24"
    /// The same of IPv6.
    static let address6 = "2001:db8:ffff::1/64"
    /// The path of the neighbour's namespace; it knows the host and no network behind it.
    static let outside = "/run/netns/outside"
    /// The address of the neighbour, by which the host reaches the rest of the world.
    static let neighbour = "192.0.2.254/24"
    /// The same of IPv6.
    static let neighbour6 = "2001:db8:ffff::fe/64"
    /// A directory for what is nobody else's.
    static let scratch = "/run/cnictl"

    /// Leaves the real host and furnishes a private one.
    ///
    /// The directory where leases are kept is empty afterwards.
    static func enter(store: String) throws(CNIError) {
        try leaveHost(covering: [store])
        try makeUplink()
    }

    /// Leaves the present host for namespaces without interfaces, in which some directories are empty and in memory.
    static func leaveHost(covering directories: [String]) throws(CNIError) {
        try CNIError.attempt("make namespaces") { () throws(Errno) in try Mounts.leaveHost() }
        // Locks, sockets of daemons and mounts of namespaces are all below /run.
        try cover("/run")
        try CNIError.attempt("make directories in /run") { () throws(Errno) in
            try FileStatus.makeDirectories("/run/netns")
            try FileStatus.makeDirectories(scratch)
        }
        try cover("/var/lib/cni")
        for directory in directories {
            // What is below is in memory already.
            if !directory.hasPrefix("/run/"), !directory.hasPrefix("/var/lib/cni/") { try cover(directory) }
        }
        // Shows the interfaces of the namespace it is mounted in; plugins that don't look there can do without.
        try? Mounts.mount("sysfs", on: "/sys")
    }

    /// Runs a body inside the network namespace behind a path.
    static func perform<R: ~Copyable>(in path: String, _ body: () throws(CNIError) -> R) throws(CNIError) -> R {
        let namespace = try CNIError.attempt("open \(path)") { () throws(Errno) in try NetworkNamespace.open(path) }
        return try namespace.perform(body)
    }

    /// Makes a container's namespace and returns its path.
    static func makeContainer(_ name: String) throws(CNIError) -> String {
        let path = "/run/netns/\(name)"
        try CNIError.attempt("make the namespace \(path)") { () throws(Errno) in
            try NetworkNamespace.create(mountedOn: path)
        }
        return path
    }

    /// Hides a directory behind an empty one in memory; one that is missing appears, for this process only.
    private static func cover(_ path: String) throws(CNIError) {
        let operation = "cover \(path), so that the real one is not touched; does it help to make the directory?"
        try CNIError.attempt(operation) { () throws(Errno) in
            if try FileStatus.of(path) == nil { try overlayParent(of: path) }
            try Mounts.mount("tmpfs", on: path, options: "mode=755")
        }
    }

    /// Lays a layer of memory over the nearest directory that exists, and makes the missing ones in it.
    private static func overlayParent(of path: String) throws(Errno) {
        var parent = path
        while try FileStatus.of(parent) == nil, let slash = parent.utf8.lastIndex(of: UInt8(ascii: "/")) {
            parent = String(parent[..<slash])
        }
        // The root of the process cannot be replaced from within.
        if parent.isEmpty { throw .noSuchFile }
        let layer = "\(scratch)/\(Clock.monotonicNanoseconds())"
        try FileStatus.makeDirectories("\(layer)/upper")
        try FileStatus.makeDirectories("\(layer)/work")
        try Mounts.mount(
            "overlay",
            on: parent,
            options: "lowerdir=\(parent),upperdir=\(layer)/upper,workdir=\(layer)/work"
        )
        try FileStatus.makeDirectories(path)
    }

    /// Makes what plugins look for on a host: the loopback, an interface to the outside, and default routes.
    private static func makeUplink() throws(CNIError) {
        let path = try makeContainer("outside")
        let neighbourhood = try CNIError.attempt("open \(path)") { () throws(Errno) in
            try NetworkNamespace.open(path)
        }
        var links = MessageBatch()
        var up = LinkChange()
        up.isUp = true
        links.setLink("lo", up)
        let peer = VethPeer(name: "up0", namespace: neighbourhood.rawValue)
        links.addLink(NewLink(name: "up0", kind: .veth(peer: peer), isUp: true))
        var socket = try RouteSocket<CNIError>.open()
        try socket.send(links)
        try furnish(&socket, address, address6, gateways: (neighbour, neighbour6))
        try neighbourhood.perform { () throws(CNIError) in
            var socket = try RouteSocket<CNIError>.open()
            var links = MessageBatch()
            links.setLink("lo", up)
            links.setLink("up0", up)
            try socket.send(links)
            try furnish(&socket, neighbour, neighbour6, gateways: nil)
        }
    }

    /// Gives one end of the uplink its addresses, and routes if there is somebody to route to.
    private static func furnish(
        _ socket: inout RouteSocket<CNIError>,
        _ address: String,
        _ address6: String,
        gateways: (String, String)?
    ) throws(CNIError) {
        guard let uplink = try socket.link(named: "up0") else { return }
        var addresses = MessageBatch()
        if let prefix = Prefix(address) { addresses.addAddress(prefix, to: uplink.index) }
        if let gateway = gateways.flatMap({ Prefix($0.0) }) {
            addresses.addRoute(Route(to: .defaultV4, via: gateway.address, interface: uplink.index))
        }
        try socket.send(addresses)
        // A host without IPv6 is a host all the same.
        var addresses6 = MessageBatch()
        if let prefix = Prefix(address6) { addresses6.addAddress(prefix, to: uplink.index) }
        if let gateway = gateways.flatMap({ Prefix($0.1) }) {
            addresses6.addRoute(Route(to: .defaultV6, via: gateway.address, interface: uplink.index))
        }
        try? socket.send(addresses6)
    }
}
