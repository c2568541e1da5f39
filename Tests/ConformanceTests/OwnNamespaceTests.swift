// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// The host is never treated as a container: rule E-9.
@Suite("The plugin's own namespace", .privateHost)
struct OwnNamespaceTests {
    private let host: Host
    private let own = ["CNI_NETNS": "/proc/self/ns/net", "CNI_CONTAINERID": "c1", "CNI_IFNAME": "eth0"]

    init() throws { host = try Host() }

    @Test(arguments: ProtocolTests.plugins, ["ADD", "DEL"])
    func isRefusedBeforeAnythingIsDone(plugin: String, command: String) throws {
        let before = try host.state()
        for path in ["/proc/self/ns/net", "/proc/thread-self/ns/net"] {
            let call = Call(plugin, command, host.network(plugin), environment: own).with(["CNI_NETNS": path])
            try call.run().failed(8, "should not be the same")
            try call.with(["CNI_NETNS_OVERRIDE": "0"]).run().failed(8)
            try call.with(["CNI_NETNS_OVERRIDE": ""]).run().failed(8)
        }
        try host.expectUnchanged(since: before)
        #expect(try host.leases() == [:])
    }

    @Test(arguments: ["1", "true", "TRUE", "True"])
    func isTakenWhereThatIsMeant(override: String) throws {
        let network = host.network("bridge")
        let call = Call("bridge", "ADD", network, environment: own).with(["CNI_NETNS_OVERRIDE": override])
        try call.run().succeeded()
        #expect(try Network.addresses("eth0") == ["10.1.0.2/24"])
        try Call("bridge", "DEL", network, environment: own).with(["CNI_NETNS_OVERRIDE": override]).run().succeeded()
        #expect(try Network.link("eth0") == nil)
        #expect(try host.leases() == [:])
    }
}
