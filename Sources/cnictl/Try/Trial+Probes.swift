// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Linux
import Netlink

/// Whether packets get where they should.
extension Trial {
    /// Waits until the kernel has made sure that nobody else has the new addresses, if it is at it.
    ///
    /// Until then they answer nothing, which is no fault of the network; but it is time that every container loses.
    func awaitAddresses() {
        if !hasTentativeAddresses { return }
        _ = reporter.step("wait for duplicate detection") { () throws(Failure) in
            let start = Clock.monotonicNanoseconds()
            while hasTentativeAddresses {
                if Clock.monotonicNanoseconds() - start > 5_000_000_000 {
                    throw Failure(CNIError(.tryAgain, "addresses are still tentative after 5 s"))
                }
                _ = Poll.isReadable(signals, timeoutMilliseconds: 20)
                if Termination.isPending { break }
            }
            return ((), "new IPv6 addresses were not usable until now")
        }
    }

    private var hasTentativeAddresses: Bool {
        var states = containers.compactMap { try? HostState.capture(in: $0.container.netns) }
        if let host = try? HostState.capture() { states.append(host) }
        return states.contains { state in
            state.devices.contains { device in
                device.link.isOperational
                    && device.addresses.contains { $0.isTentative && !$0.prefix.address.isLinkLocalUnicast }
            }
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
                let namespace = try CNIError.attempt("open \(subject.container.netns)") { () throws(Errno) in
                    try NetworkNamespace.open(subject.container.netns)
                }
                let time = try namespace.perform { () throws(CNIError) in
                    try CNIError.attempt("get an answer from \(address.description)") { () throws(Errno) in
                        try Reachability.ping(
                            address.bytes,
                            interface: address.isLinkLocalUnicast ? index : 0,
                            timeoutMilliseconds: 1000
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

    /// Connects from the host to each published port and sees whether the first container answers.
    func probePorts() {
        guard !options.ports.isEmpty, !containers.isEmpty else { return }
        guard list.plugins.contains(where: { $0.capabilities.contains("portMappings") }) else {
            return reporter.failed("published ports", "no plugin of the network has the capability portMappings")
        }
        let families = containers[0].result?.ips.map { $0.address.address.family } ?? []
        guard !families.isEmpty else { return reporter.failed("published ports", "the container has no address") }
        let text = families.contains(.v4) ? PrivateHost.address : PrivateHost.address6
        guard let target = Prefix(text)?.address else { return }
        for port in options.ports { probe(port, target) }
    }

    private func probe(_ port: Options.Port, _ target: IPAddress) {
        let subject = containers[0]
        let place = "\(target.description) port \(port.host)/\(port.transport)"
        let time: Int64? = reporter.step("connect to \(place)") { () throws(Failure) in
            do throws(CNIError) {
                let namespace = try CNIError.attempt("open \(subject.container.netns)") { () throws(Errno) in
                    try NetworkNamespace.open(subject.container.netns)
                }
                let echo = try namespace.perform { () throws(CNIError) in
                    try CNIError.attempt("listen on port \(port.container)") { () throws(Errno) in
                        try EchoPort.open(
                            version6: target.family == .v6,
                            isDatagram: port.transport == "udp",
                            port: port.container
                        )
                    }
                }
                let time = try CNIError.attempt("reach port \(port.container) of \(subject.name)") { () throws(Errno) in
                    try echo.probe(target.bytes, port: port.host, timeoutMilliseconds: 1500)
                }
                return (time, "\(subject.name) port \(port.container) answered in \(time / 1000) µs")
            } catch {
                throw Failure(error)
            }
        }
        probes.append(Probe(source: "host", target: place, purpose: "published port", nanoseconds: time))
    }
}
