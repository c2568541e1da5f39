// SPDX-License-Identifier: Apache-2.0

import Foundation
import Linux

/// The default chain of a runtime on a host of its own, so that nobody's rules are in the way of the other suite's.
struct ChainNetwork: Attaching {
    /// Whose plugins make the network.
    let suite: Suite

    /// The name of the network.
    let name: String

    /// The namespace that stands for the host.
    private let host: String

    /// The plugins in the order of ADD, each with its configuration but for the braces around it.
    private let plugins: [(type: String, configuration: String)]

    /// A chain on a host that exists, with the addresses 10.`octet`.0.0/16.
    init(_ suite: Suite, _ label: String, host: String, octet: Int) throws {
        self.suite = suite
        self.host = host
        name = "\(suite.name)-\(label)"
        let front = #""cniVersion":"1.0.0","name":"\#(name)","type":"#
        let ipam = """
            {"type":"host-local","dataDir":"\(Isolation.scratch)/leases","ranges":[[{"subnet":"10.\(octet).0.0/16"}]],\
            "routes":[{"dst":"0.0.0.0/0"}]}
            """
        plugins = [
            ("bridge", #"\#(front)"bridge","bridge":"br-chain","isGateway":true,"ipMasq":true,"ipam":\#(ipam)"#),
            ("portmap", #"\#(front)"portmap""#),
            ("firewall", #"\#(front)"firewall""#),
            ("tuning", #"\#(front)"tuning""#),
        ]
    }

    /// The n-th container of the network.
    func container(_ number: Int, in namespace: String) -> Container {
        Container(network: name, number: number, namespace: namespace)
    }

    func add(_ container: Container) throws -> Double { try add(container, ports: 1).reduce(0, +) }

    /// Attaches with a number of ports, and returns the milliseconds of each plugin.
    func add(_ container: Container, ports: Int, from first: Int = 0) throws -> [Double] {
        // Two containers of a bench are there at once, and publish different ports.
        let start = first == 0 ? 20000 + (container.id.hashValue & 0x3fff) : first
        let mappings = (0..<ports).map { #"{"hostPort":\#(start + $0),"containerPort":\#(80 + $0),"protocol":"tcp"}"# }
        let ports = #","runtimeConfig":{"portMappings":[\#(mappings.joined(separator: ","))]}"#
        // A runtime remembers them for DEL, and the reference cannot do without.
        try Data(ports.utf8).write(to: URL(fileURLWithPath: container.output + ".ports"))
        var result = ""
        return try plugins.map { plugin in
            var text = "{" + plugin.configuration
            if plugin.type == "portmap" { text += ports }
            if !result.isEmpty { text += #","prevResult":\#(result)"# }
            let time = try call(plugin.type, "ADD", container, text + "}")
            result = try String(contentsOfFile: container.output, encoding: .utf8)
            try Data(result.utf8).write(to: URL(fileURLWithPath: container.output + ".result"))
            return time
        }
    }

    func delete(_ container: Container) throws -> Double { try deletions(container).reduce(0, +) }

    /// Detaches, and returns the milliseconds of each plugin in the order of ADD.
    func deletions(_ container: Container) throws -> [Double] {
        let result = try String(contentsOfFile: container.output + ".result", encoding: .utf8)
        let ports = try String(contentsOfFile: container.output + ".ports", encoding: .utf8)
        return try plugins.reversed().map { plugin in
            let more = plugin.type == "portmap" ? ports : ""
            return try call(plugin.type, "DEL", container, "{\(plugin.configuration)\(more),\"prevResult\":\(result)}")
        }.reversed()
    }

    private func call(_ plugin: String, _ command: String, _ container: Container, _ text: String) throws -> Double {
        let input = container.output + ".input"
        try Data(text.utf8).write(to: URL(fileURLWithPath: input))
        return try onHost { () throws(Failure) in
            do { return try suite.call(plugin, command, for: container, input: input).run() } catch {
                throw (error as? Failure) ?? Failure("\(error)")
            }
        }
    }

    /// Runs a body in the namespace of the host.
    func onHost<R>(_ body: () throws(Failure) -> R) throws -> R { try inNamespace(host, body) }
}

/// Runs a body with the calling thread in a namespace.
func inNamespace<R>(_ path: String, _ body: () throws(Failure) -> R) throws -> R {
    let namespace = try Failure.attempt("open \(path)") { () throws(Errno) in try NetworkNamespace.open(path) }
    return try namespace.perform(body)
}

extension Failure: SystemFailure {
    /// Makes the failure of an operation of the kernel.
    init(_ errno: Errno, _ operation: String, kernelText: String?) {
        self.init("cannot \(operation): \(kernelText ?? errno.description)")
    }

    /// The message tells.
    var errno: Errno? { nil }
}
