// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import NFTables
import Netlink
import Rules

/// An address of the container to which ports lead.
struct Target: Sendable {
    /// The address with the length of its network's prefix.
    let prefix: Prefix
    /// The host's interface that leads to it; nothing where the host is not connected with its network.
    let interface: String?

    var address: IPAddress { prefix.address }

    /// The address as it stands before a port.
    var destination: String {
        address.family == .v4 ? address.description : joined("[", address.description, "]")
    }

    /// The first address of each family that the result gives the container's interface, if there are mappings for it.
    static func all(
        _ result: AddResult,
        _ attachment: Attachment,
        _ mappings: [PortMapping]
    ) throws(CNIError) -> [Target] {
        var targets: [Target] = []
        var host = try Kernel.open()
        let addresses = result.addresses(of: attachment)
        for family in [IPAddress.Family.v4, .v6] {
            guard mappings.contains(where: { $0.applies(to: family) }),
                let prefix = addresses.first(where: { $0.address.family == family })
            else {
                continue
            }
            let route = try host.route(to: prefix.address)
            var interface: String?
            // Through a router, everybody would come from the same interface.
            if let route, route.gateway == nil { interface = try host.link(index: route.interface)?.name }
            targets.append(Target(prefix: prefix, interface: interface))
        }
        return targets
    }
}
