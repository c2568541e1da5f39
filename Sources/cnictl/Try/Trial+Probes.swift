// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import JSON
import Linux
import Netlink

/// Whether packets get where they should.
extension Trial {
    /// Waits until the new addresses can be used.
    func awaitAddresses() {
        reporter.awaitAddresses(signals) {
            var states = containers.compactMap { try? HostState.capture(in: $0.container.netns) }
            if let host = try? HostState.capture() { states.append(host) }
            return states
        }
    }

    /// Pings the gateway and the second container from the first, in each family that has addresses.
    func probeNeighbours() {
        guard containers.count == 2, let mine = containers[0].result, let theirs = containers[1].result else { return }
        if mine.ips.allSatisfy({ $0.address.address.isLoopback }) {
            return reporter.skipped("ping", "the network gives no addresses by which others could be reached")
        }
        for ip in mine.ips {
            guard let gateway = ip.gateway else { continue }
            if isServed(gateway) {
                ping(gateway, "gateway")
            } else {
                reporter.skipped(
                    "ping \(gateway.description) (gateway)",
                    "no route leads there, and nobody here has it"
                )
            }
        }
        for ip in theirs.ips where mine.ips.contains(where: { $0.address.address.family == ip.address.address.family })
        {
            ping(ip.address.address, "neighbour")
        }
        probeOutside(mine)
    }

    /// Pings the neighbour of the host, who does not know the way back: its answer needs the host's address.
    private func probeOutside(_ mine: AddResult) {
        guard list.plugins.contains(where: { $0.document["ipMasq"] == true }) else { return }
        for text in [PrivateHost.neighbour, PrivateHost.neighbour6] {
            guard let address = Prefix(text)?.address else { continue }
            let hasAddress = mine.ips.contains { $0.address.address.family == address.family }
            let hasRoute = containers[0].after?.routes.contains {
                $0.route.destination.length == 0 && $0.route.destination.address.family == address.family
            }
            if hasAddress, hasRoute == true { ping(address, "outside") }
        }
    }

    /// Whether a gateway is one that the network itself provides, or that the container relies on.
    private func isServed(_ gateway: IPAddress) -> Bool {
        if (try? HostState.capture())?.device(with: gateway) != nil { return true }
        return containers[0].after?.routes.contains { $0.route.gateway == gateway } ?? false
    }

    private func ping(_ address: IPAddress, _ purpose: String) {
        let subject = containers[0]
        let index = subject.after?.device(subject.container.interface)?.link.index ?? 0
        let time: Int64? = reporter.step("ping \(address.description) (\(purpose))") { () throws(Failure) in
            do throws(CNIError) {
                let time = try PrivateHost.perform(in: subject.container.netns) { () throws(CNIError) in
                    try CNIError.attempt("get an answer from \(address.description)") { () throws(Errno) in
                        try Reachability.ping(
                            address.bytes,
                            interface: address.isLinkLocalUnicast ? index : 0,
                            timeoutMilliseconds: reporter.patience
                        )
                    }
                }
                return (time, "\(time / 1000) µs")
            } catch {
                throw Failure(error)
            }
        }
        probes.append(Probe(source: subject.name, target: address.description, purpose: purpose, nanoseconds: time))
    }
}
