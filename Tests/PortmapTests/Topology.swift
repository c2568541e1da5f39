// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// A host with a bridge and two containers on it, and another host on its wire.
///
///     outside 192.0.2.2 -- 192.0.2.1 host 10.88.0.1 -- c1 10.88.0.2, c2 10.88.0.3
///
/// The host is the namespace of the calling thread; IPv6 has the same numbers below 2001:db8:: and fd88::.
final class Topology {
    static let addresses = Wire.hostAddresses

    private let wire: Wire
    /// The other host.
    var outside: ContainerNamespace { wire.outside }
    let containers: [ContainerNamespace]
    /// What the bridge plugin said of each container.
    let results: [String]
    private let directory: TemporaryDirectory

    /// Makes the topology, with the kernel's passing of bridged packets to iptables on or off.
    init(bridgedPacketsAreFiltered: Bool = true) throws {
        directory = try TemporaryDirectory()
        wire = try Wire(bridgedPacketsAreFiltered: bridgedPacketsAreFiltered, forwards: false)
        containers = try [ContainerNamespace(), ContainerNamespace()]
        var results: [String] = []
        for (number, container) in containers.enumerated() {
            results.append(try Self.attach(container, "c\(number + 1)", directory))
        }
        self.results = results
        try Wire.forward()
    }

    private static func attach(
        _ container: ContainerNamespace,
        _ id: String,
        _ directory: TemporaryDirectory
    ) throws -> String {
        var process = PluginProcess(Executables.path("bridge"))
        process.environment = [
            "CNI_COMMAND": "ADD", "CNI_CONTAINERID": id, "CNI_IFNAME": "eth0", "CNI_NETNS": container.path,
            "CNI_PATH": Executables.directory,
        ]
        let configuration = """
            {"cniVersion":"1.1.0","name":"lan","type":"bridge","bridge":"br0","isDefaultGateway":true,"hairpinMode":true,
            "ipam":{"type":"host-local","dataDir":"\(directory.path)",
            "ranges":[[{"subnet":"10.88.0.0/24"}],[{"subnet":"fd88::/64"}]]}}
            """
        process.input = .bytes(Array(configuration.utf8))
        let outcome = try process.run()
        try #require(outcome.exitCode == 0, "\(outcome.stdoutText) \(outcome.stderrText)")
        return outcome.stdoutText
    }

    /// The publication of ports of a container.
    func publication(_ backend: Backend?, of number: Int, _ mappings: [Mapping]) -> Publication {
        Publication(backend, mappings).with {
            ($0.id, $0.netns, $0.previous) = ("c\(number + 1)", containers[number].path, results[number])
        }
    }

    /// A server in a container, at its address of a family.
    func server(_ transport: Transport, in number: Int, isV6: Bool, port: UInt16) throws -> Server {
        let address = Self.address(of: number, isV6: isV6)
        return try containers[number].inside { try Server(transport, at: address, port: port) }
    }

    /// The address of a container.
    static func address(of number: Int, isV6: Bool) -> String { isV6 ? "fd88::\(number + 2)" : "10.88.0.\(number + 2)" }

    /// Where clients sit.
    func place(_ path: Path) -> Place {
        switch path {
        case .outside: return { try self.outside.inside($0) }
        case .host, .loopback: return { try $0() }
        case .hairpin: return { try self.containers[0].inside($0) }
        case .neighbour: return { try self.containers[1].inside($0) }
        }
    }

    /// The ways to the published port of the first container.
    enum Path: String, CaseIterable { case outside, host, loopback, hairpin, neighbour }
}
