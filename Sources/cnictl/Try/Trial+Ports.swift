// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import JSON
import Linux

/// Whether ports of the host lead to the first container.
extension Trial {
    /// The ports to publish: those of the command line, or one if the network can publish any.
    var ports: [Options.Port] {
        if !options.ports.isEmpty || !publishesPorts { return options.ports }
        return [Options.Port(host: 8080, container: 80, transport: "tcp")]
    }

    /// Whether a plugin of the network wants to be told of ports.
    private var publishesPorts: Bool { list.plugins.contains { $0.capabilities.contains("portMappings") } }

    /// The ports as plugins are told of them.
    var portMappings: JSON {
        .array(
            ports.map { port in
                [
                    "hostPort": .int(Int(port.host)), "containerPort": .int(Int(port.container)),
                    "protocol": .string(port.transport),
                ]
            }
        )
    }

    /// Connects to each published port from the host, its neighbour and the second container, and sees whether the first
    /// container answers.
    func probePorts() {
        guard !ports.isEmpty, containers.count == 2 else { return }
        guard publishesPorts else {
            return reporter.failed("published ports", "no plugin of the network has the capability portMappings")
        }
        let families = containers[0].result?.ips.map { $0.address.address.family } ?? []
        guard !families.isEmpty else { return reporter.failed("published ports", "the container has no address") }
        let sources: [(name: String, path: String)] = [
            ("host", "/proc/thread-self/ns/net"), ("outside", PrivateHost.outside),
            (containers[1].name, containers[1].container.netns),
        ]
        for port in ports {
            for text in [PrivateHost.address, PrivateHost.address6] {
                guard let target = Prefix(text)?.address, families.contains(target.family) else { continue }
                for source in sources { probe(port, target, from: source) }
            }
        }
    }

    private func probe(_ port: Options.Port, _ target: IPAddress, from source: (name: String, path: String)) {
        let subject = containers[0]
        let place = "\(target.description) port \(port.host)/\(port.transport)"
        let title = "published port \(port.host)\(port.transport == "tcp" ? "" : "/\(port.transport)")"
        let time: Int64? = reporter.step("\(title) (\(source.name) → \(subject.name))") { () throws(Failure) in
            do throws(CNIError) {
                let echo = try PrivateHost.perform(in: subject.container.netns) { () throws(CNIError) in
                    try CNIError.attempt("listen on port \(port.container)") { () throws(Errno) in
                        try EchoPort.open(
                            version6: target.family == .v6,
                            isDatagram: port.transport == "udp",
                            port: port.container
                        )
                    }
                }
                let time = try PrivateHost.perform(in: source.path) { () throws(CNIError) in
                    try CNIError.attempt("reach \(subject.name) by \(place)") { () throws(Errno) in
                        try echo.probe(target.bytes, port: port.host, timeoutMilliseconds: reporter.patience)
                    }
                }
                return (time, "\(place) reached port \(port.container) in \(time / 1000) µs")
            } catch {
                throw Failure(error)
            }
        }
        probes.append(Probe(source: source.name, target: place, purpose: "published port", nanoseconds: time))
    }
}
