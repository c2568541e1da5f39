// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Linux
import Netlink

extension Request {
    /// The container's interface in the result of the ADD, with its addresses; its sandbox must be that of the request.
    public func containerInterface(in result: AddResult) throws(CNIError) -> Interface {
        guard let interface = result.interfaces.last(where: { $0.name == attachment.interface && !$0.sandbox.isEmpty })
        else {
            throw CNIError.drifted("prevResult has no interface \(attachment.interface) in a container")
        }
        guard interface.sandbox == netns else {
            throw CNIError.drifted(
                "Sandbox in prevResult \(interface.sandbox) doesn't match configured netns: \(netns)"
            )
        }
        return interface
    }
}

/// Compares the container's interface with the result of the ADD.
public struct ContainerCheck: ~Copyable {
    private var kernel: Kernel
    private let expected: Interface

    /// Opens the namespace of the container.
    public init(_ expected: Interface, in namespace: borrowing NetworkNamespace) throws(CNIError) {
        self.expected = expected
        kernel = try namespace.perform { () throws(CNIError) in try Kernel.open() }
    }

    /// The interface, if its kind, hardware address and MTU are what they were.
    public mutating func link(kind: String) throws(CNIError) -> Link {
        guard let link = try kernel.link(named: expected.name) else {
            throw CNIError.drifted("the interface \(expected.name) is gone from the container")
        }
        guard link.kind == kind else {
            throw CNIError.drifted("the container's interface \(link.name) is a \"\(link.kind)\", not a \(kind)")
        }
        if !expected.mac.isEmpty, MACAddress(expected.mac) != link.mac {
            throw CNIError.drifted(
                "Interface \(link.name) Mac doesn't match: \(link.mac?.description ?? "none"), not \(expected.mac)"
            )
        }
        if let mtu = expected.mtu, mtu != link.mtu {
            throw CNIError.drifted("the MTU of \(link.name) is \(link.mtu), not \(mtu)")
        }
        return link
    }

    /// Looks whether every address and every route of a result is there; others may be there as well.
    public mutating func addressesAndRoutes(_ result: AddResult, on link: Link) throws(CNIError) {
        let position = result.interfaces.lastIndex { $0.name == expected.name && $0.sandbox == expected.sandbox }
        let present = try kernel.addresses(of: link.index).map { $0.prefix }
        for ip in result.ips where ip.interface == nil || ip.interface == position {
            if !present.contains(ip.address) {
                throw CNIError.drifted("Failed to match addr \(ip.address.description) on interface \(link.name)")
            }
        }
        for family in [IPAddress.Family.v4, .v6] {
            let wanted = result.routes.filter { $0.destination.address.family == family }
            if wanted.isEmpty { continue }
            let routes = try kernel.routes(family)
            for route in wanted where !routes.contains(where: { $0.serves(route) }) {
                throw CNIError.drifted("Expected Route \(route.destination.description) not found in routing table")
            }
        }
    }
}

extension Route {
    /// Whether this is the route of a result, in whatever table a later plugin may have put it.
    fileprivate func serves(_ route: RouteConfiguration) -> Bool {
        destination.masked == route.destination.masked
            && (route.gateway == nil || gateway == route.gateway || destination.length == 0)
    }
}

extension CNIError {
    /// What CHECK says when something is missing or changed.
    public static func drifted(_ what: String) -> CNIError {
        CNIError(.drifted, what, "DEL followed by ADD makes it anew")
    }
}
