// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import JSON
import Overlay

extension VxlanConfiguration {
    /// The part of the configuration for host-local with this host's ranges, if it has none of its own.
    ///
    /// In a routed network they are the host's subnets. On a stretched link all addresses are of one network, of which each
    /// host gives out a part, with the first address of its part as its own gateway.
    func ipam(_ document: JSONObject, _ subnets: [Prefix], of networks: [Prefix]) -> JSON? {
        guard case .object(var ipam)? = document["ipam"], ipam["type"] == .string("host-local"),
            ipam["subnet"] == nil, ipam["ranges"] == nil
        else {
            return nil
        }
        ipam["ranges"] = .array(subnets.map { .array([.object(range(of: $0))]) })
        // With a default route the others are reached too.
        if mode == .routed, !bridge.isDefaultGateway {
            var routes: [JSON] = []
            if case .array(let given)? = ipam["routes"] { routes = given }
            for network in networks where subnets.contains(where: { $0.address.family == network.address.family }) {
                routes.append(.object(JSONObject([.init("dst", .string(network.description))])))
            }
            ipam["routes"] = .array(routes)
        }
        return .object(ipam)
    }

    private func range(of subnet: Prefix) -> JSONObject {
        let network = networks.first { $0.contains(subnet) && $0.length < subnet.length }
        guard mode == .bridged, let network else {
            return JSONObject([.init("subnet", .string(subnet.description))])
        }
        var range = JSONObject([.init("subnet", .string(network.description))])
        let gateway = subnet.network.successor ?? subnet.network
        let first = gateway.successor ?? gateway
        // The last address of the whole network is for all of its hosts.
        let last = subnet.last == network.last && subnet.address.family == .v4 ? subnet.last.predecessor : subnet.last
        range.append("rangeStart", .string(first.description))
        range.append("rangeEnd", .string((last ?? subnet.last).description))
        range.append("gateway", .string(gateway.description))
        return range
    }
}
