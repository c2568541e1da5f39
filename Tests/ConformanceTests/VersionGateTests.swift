// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// Which version allows what: rules C-8 and C-9.
@Suite("Versions of the configuration", .privateHost)
struct VersionGateTests {
    private let host: Host
    private let container: ContainerNamespace

    init() throws {
        host = try Host()
        container = try ContainerNamespace()
    }

    @Test(arguments: ProtocolTests.plugins, Schema.versions)
    func everyVersionAddsAndDeletes(plugin: String, version: String) throws {
        let network = host.network(plugin, version)
        let result = try host.add(network, in: container)
        #expect(Schema.faults(of: result, version) == [], "\(result.text)")
        try host.call("DEL", network, in: container).run().succeeded()
        #expect(try host.leases() == [:])
    }

    @Test(arguments: ProtocolTests.plugins, Schema.versions)
    func checkCameWithVersion040(plugin: String, version: String) throws {
        let network = host.network(plugin, version)
        let result = try host.add(network, in: container)
        let answer = try host.call("CHECK", network.with(["prevResult": result]), in: container).run()
        if version < "0.4.0" {
            answer.failed(1, "config version does not allow CHECK")
        } else {
            answer.succeeded()
        }
    }

    @Test(arguments: ProtocolTests.plugins, Schema.versions)
    func garbageCollectionAndStatusCameWithVersion110(plugin: String, version: String) throws {
        let network = host.network(plugin, version)
        try host.add(network, in: container)
        let before = try host.state(container)
        for command in ["GC", "STATUS"] {
            let attachments: Value = [["containerID": "c1", "ifname": "eth0"]]
            let answer = try host.call(command, network.with(["cni.dev/valid-attachments": attachments])).run()
            if version < "1.1.0" {
                answer.failed(1, "config version does not allow \(command)")
            } else {
                answer.succeeded()
            }
        }
        try host.expectUnchanged(since: before, container)
    }

    @Test(arguments: ProtocolTests.plugins, [nil, "", .null] as [Value?])
    func withoutVersionItIsTheFirst(plugin: String, version: Value?) throws {
        let network = host.network(plugin, with: ["cniVersion": version])
        let result = try host.add(network, in: container)
        #expect(Schema.faults(of: result, "0.1.0") == [], "\(result.text)")
        for command in ["CHECK", "GC", "STATUS"] {
            try host.call(command, network, in: container).run().failed(1, "does not allow \(command)")
        }
        try host.call("DEL", network, in: container).run().succeeded()
    }

    @Test(arguments: ["ADD", "CHECK", "DEL", "GC", "STATUS"], ProtocolTests.plugins)
    func aVersionThatIsNotSupportedIsRefused(command: String, plugin: String) throws {
        let before = try host.state(container)
        for version in ["9.9.9", "0.4", "1.0", "1", "1.1", "1.0.5", "2.0.0", "0.5.0"] {
            let answer = try host.call(command, host.network(plugin, version), in: container).run().failed(1)
            #expect(
                answer.complaint.contains("incompatible CNI versions") || answer.complaint.contains("does not allow")
            )
            if answer.complaint.contains("incompatible") {
                let list = Schema.versions.map { "\"\($0)\"" }.joined(separator: " ")
                #expect(answer.complaint.contains("config is \"\(version)\", plugin supports [\(list)]"))
            }
        }
        try host.expectUnchanged(since: before, container)
    }

    @Test(arguments: ["ADD", "CHECK", "DEL", "GC", "STATUS"], ProtocolTests.plugins)
    func aVersionThatIsNoneIsRefused(command: String, plugin: String) throws {
        let before = try host.state(container)
        for version in ["abc", "1.x", "1.2.3.4", "v1.1.0", "1.1.0-rc1", " 1.1.0", "1..0"] {
            let code = command == "ADD" || command == "DEL" ? 1 : 6
            try host.call(command, host.network(plugin, version), in: container).run().failed(code)
        }
        try host.expectUnchanged(since: before, container)
    }

    @Test(arguments: ProtocolTests.plugins, Schema.versions)
    func errorsBearTheVersionOfTheConfiguration(plugin: String, version: String) throws {
        let answer = try host.call("ADD", host.network(plugin, version, with: ["name": "-"]), in: container).run()
            .failed(7)
        #expect(answer.document?["cniVersion"] == .string(version))
    }
}
