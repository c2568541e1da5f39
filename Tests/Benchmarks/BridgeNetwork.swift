// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Something that can attach a container to a bridge and detach it.
protocol Attaching {
    /// Attaches and returns the milliseconds it took.
    func add(_ container: Container) throws -> Double

    /// Detaches and returns the milliseconds it took.
    func delete(_ container: Container) throws -> Double
}

/// A bridge network of a suite: the plugins bridge and host-local without masquerade.
struct BridgeNetwork: Attaching {
    /// Whose plugins make the network.
    let suite: Suite

    /// The name of the network.
    let name: String

    /// The configuration as bytes, for the calls of DEL, which get the result of ADD as well.
    private let configuration: Data

    /// The configuration as a file, for the calls of ADD.
    private let file: String

    /// A network with a bridge of its own and the addresses 10.`octet`.0.0/16.
    init(_ suite: Suite, _ label: String, octet: Int) throws {
        self.suite = suite
        name = "\(suite.name)-\(label)"
        file = try Suite.write(
            name,
            [
                "cniVersion": "1.0.0",
                "name": name,
                "type": "bridge",
                "bridge": "br-\(suite.name.prefix(3))-\(label)",
                "isGateway": true,
                "ipam": [
                    "type": "host-local",
                    "dataDir": "\(Isolation.scratch)/leases",
                    "ranges": [[["subnet": "10.\(octet).0.0/16"]]],
                    "routes": [["dst": "0.0.0.0/0"]],
                ] as [String: Any],
            ]
        )
        configuration = try Data(contentsOf: URL(fileURLWithPath: file))
    }

    /// The n-th container of the network.
    func container(_ number: Int, in namespace: String) -> Container {
        Container(network: name, number: number, namespace: namespace)
    }

    /// The call that attaches.
    func addCall(_ container: Container) -> Call {
        suite.call("bridge", "ADD", for: container, input: file)
    }

    /// The call that detaches; as a runtime does, it passes the result of the ADD on.
    func deleteCall(_ container: Container) throws -> Call {
        let result = try Data(contentsOf: URL(fileURLWithPath: container.output))
        let path = container.output + ".delete"
        let input = configuration.dropLast() + Data(",\"prevResult\":".utf8) + result + Data("}".utf8)
        try input.write(to: URL(fileURLWithPath: path))
        return suite.call("bridge", "DEL", for: container, input: path)
    }

    func add(_ container: Container) throws -> Double { try addCall(container).run() }

    func delete(_ container: Container) throws -> Double { try deleteCall(container).run() }

    /// Makes the bridge by an attachment that nobody measures.
    func warmUp(in namespace: String) throws {
        let first = container(0, in: namespace)
        _ = try add(first)
        _ = try delete(first)
    }
}

/// The same bridge network made by the C program, with the address given instead of found.
struct FloorNetwork: Attaching {
    /// The path of the C program.
    let program: String

    /// The name of the bridge, which must exist.
    private let bridge = "br-floor"

    /// The name of the link on the host.
    private let link = "floor0"

    /// Makes the bridge.
    init(program: String) throws {
        self.program = program
        try Call.tool(["ip", "link", "add", bridge, "address", "02:00:00:00:00:01", "type", "bridge"], output: nil)
        try Call.tool(["ip", "address", "add", "10.9.0.1/16", "dev", bridge], output: nil)
        try Call.tool(["ip", "link", "set", bridge, "up"], output: nil)
    }

    func add(_ container: Container) throws -> Double {
        let arguments = ["add", bridge, container.namespace, link, "eth0", "10.9.0.2/16", "10.9.0.1"]
        return try Call(program: program, arguments: arguments).run()
    }

    func delete(_ container: Container) throws -> Double {
        try Call(program: program, arguments: ["del", link]).run()
    }
}
