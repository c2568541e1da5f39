// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import JSON
import Linux
import Netlink

/// A private host with one container.
final class TrialHost {
    /// The short name.
    let name: String
    /// What the plan says of it.
    let plan: HostsPlan.Host
    /// The plugins, with this host's configuration.
    let chain: Chain
    /// The interfaces, addresses and routes before the first ADD.
    let before: HostState
    /// The container.
    var subject: Rehearsal
    /// The same after ADD.
    var after: HostState?
    /// The leases that were there between ADD and DEL.
    var leases: [LeaseStore.Lease] = []
    private let namespaces: HostNamespaces

    /// Furnishes a host whose interface is there already.
    init(
        _ name: String,
        _ plan: HostsPlan.Host,
        _ chain: Chain,
        _ namespaces: HostNamespaces,
        interface: String
    ) throws(CNIError) {
        (self.name, self.plan, self.chain, self.namespaces) = (name, plan, chain, namespaces)
        let container = Self.containerName(name)
        before = try namespaces.perform { () throws(CNIError) in try HostState.capture() }
        subject = try namespaces.perform { () throws(CNIError) in
            let path = try PrivateHost.makeContainer(container)
            return Rehearsal(
                name: container,
                container: Container(id: "cnictl-\(container)", netns: path, interface: interface),
                before: try HostState.capture(in: path)
            )
        }
    }

    private static func containerName(_ host: String) -> String {
        "container" + String(decoding: Array(host.utf8.dropFirst(4)), as: UTF8.self)
    }

    /// The addresses by which the others reach it.
    var addresses: [IPAddress] { plan.addresses.map { $0.address } }

    /// The addresses of the container.
    var containerAddresses: [IPAddress] { subject.result?.ips.map { $0.address.address } ?? [] }

    /// The addresses that the host itself has in the network.
    var ownAddresses: [IPAddress] {
        let gateways = subject.result?.ips.compactMap { $0.gateway } ?? []
        return gateways.filter { after?.device(with: $0) != nil }
    }

    /// The subnets of its containers: as the file has them, or as the result shows them.
    var subnets: [Prefix] { plan.subnets.isEmpty ? subject.result?.ips.map { $0.address.masked } ?? [] : plan.subnets }

    /// Runs a body on the host.
    func perform<R: ~Copyable, E: SystemFailure>(_ body: () throws(E) -> R) throws(E) -> R {
        try namespaces.perform(body)
    }

    /// Runs a body in the container.
    func performInContainer<R: ~Copyable>(_ body: () throws(CNIError) -> R) throws(CNIError) -> R {
        try namespaces.perform { () throws(CNIError) in try PrivateHost.perform(in: subject.container.netns, body) }
    }

    /// Looks at host, container and leases after ADD.
    func look() {
        let path = subject.container.netns
        after = try? perform { () throws(CNIError) in try HostState.capture() }
        subject.after = try? perform { () throws(CNIError) in try HostState.capture(in: path) }
        let found: [LeaseStore.Lease]? = try? perform { () throws(CNIError) in LeaseStore(chain.list).leases() }
        leases = found ?? []
    }

    /// The host in JSON output.
    var json: JSON {
        [
            "name": .string(name), "addresses": .array(plan.addresses.map { .string($0.description) }),
            "subnets": .array(subnets.map { .string($0.description) }),
            "interfaces": .array((after?.devices(since: before) ?? []).map { $0.json }),
            "leases": .array(leases.map { $0.json }), "container": subject.json,
        ]
    }
}
