// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// STATUS tells whether ADD could succeed now: section 4.5.
@Suite("STATUS", .privateHost)
struct StatusTests {
    private let host: Host

    init() throws { host = try Host() }

    private func status(_ network: Value) throws -> Answer { try host.call("STATUS", network).run() }

    @Test(arguments: ProtocolTests.plugins)
    func aHostThatIsReadyStaysAsItIs(plugin: String) throws {
        let before = try host.state()
        for _ in 0..<2 { try status(host.network(plugin)).succeeded() }
        try host.expectUnchanged(since: before)
        #expect(!FileManager.default.fileExists(atPath: host.dataDir))
    }

    @Test(arguments: ["bridge", "host-local"])
    func anExhaustedPoolIsNotReady(plugin: String) throws {
        let network = host.network(plugin, with: ["ipam": host.ipam("10.1.0.0/30")])
        try status(network).succeeded()
        let container = try ContainerNamespace()
        try host.add(network, in: container)
        let before = try host.state(container)
        try status(network).failed(50, "no free IP addresses", "10.1.0")
        try host.call("ADD", network, in: container, id: "c2", interface: "eth1").run().failed(
            101,
            "no IP addresses available"
        )
        try host.expectUnchanged(since: before, container)
        try host.call("DEL", network, in: container).run().succeeded()
        try status(network).succeeded()
    }

    @Test func oneExhaustedRangeOfTwoIsEnough() throws {
        let network = host.network("bridge", with: ["ipam": host.ipam("10.1.0.0/24", "fd00:1::/126")])
        for number in 1...2 {
            try host.add(network, in: ContainerNamespace(), id: "c\(number)")
            if number == 1 { try status(network).succeeded() }
        }
        try status(network).failed(50, "fd00:1::")
    }

    @Test func aBridgeNameThatIsTakenIsNotReady() throws {
        try Network.run("ip link add name br0 type veth peer name other")
        let before = try host.state()
        try status(host.network("bridge")).failed(50, "br0", "not a bridge")
        try host.expectUnchanged(since: before)
    }

    @Test func withoutTheAddressPluginTheHostIsNotReady() throws {
        try host.call("STATUS", host.network("bridge")).with(["CNI_PATH": "/nowhere"]).run().failed(106, "host-local")
    }

    @Test func theDelegatesAnswerIsOurs() throws {
        for code in [50, 51] {
            let fake = try FakePlugin(
                on: host,
                ["STATUS": #"echo '{"code":\#(code),"msg":"daemon","details":"gone"}'; exit 1"#]
            )
            let network = host.network("bridge", with: ["ipam": ["type": "fake"]])
            try host.call("STATUS", network).with(["CNI_PATH": fake.path]).run().failed(code, "daemon: gone")
        }
    }

    @Test func anAddressStoreThatCannotBeWrittenIsNotReady() throws {
        let file = try host.directory.write("", to: "file")
        let network = host.network("host-local", with: ["ipam": host.ipam(with: ["dataDir": .string(file)])])
        try status(network).failed(50, file)
    }

    @Test func aWrongConfigurationIsTold() throws {
        try status(host.network("host-local", with: ["ipam": host.ipam("10.1.0.0/31")])).failed(7, "too small")
        try status(host.network("bridge", with: ["vlan": 5000])).failed(7, "vlan")
    }
}
