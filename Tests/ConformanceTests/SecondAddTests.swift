// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// A second ADD of an attachment that lives: rules.
@Suite("A second ADD", .privateHost)
struct SecondAddTests {
    private let host: Host
    private let container: ContainerNamespace

    init() throws {
        host = try Host()
        container = try ContainerNamespace()
    }

    @Test(arguments: ["bridge", "plain", "requested"])
    func takesNothingFromTheFirst(kind: String) throws {
        var network = host.dualStack()
        if kind == "plain" { network["ipam"] = nil }
        if kind == "requested" { network["runtimeConfig"] = ["ips": ["10.1.0.50"]] }
        try host.add(network, in: container)
        let before = try host.state(container)
        for _ in 0..<2 {
            try host.call("ADD", network, in: container).run().failed(102, "eth0", "already exists", "DEL")
            try host.expectUnchanged(since: before, container)
        }
        try host.call("DEL", network, in: container).run().succeeded()
        try host.add(network, in: container)
    }

    @Test func ofAnAddressPluginIsRefusedAndTheLeaseStays() throws {
        let network = host.network("host-local", with: ["ipam": host.ipam("10.1.0.0/24", "fd00:1::/64")])
        try host.add(network, in: container)
        let before = try host.leases()
        try host.call("ADD", network, in: container).run().failed(
            107,
            "10.1.0.2",
            "duplicate allocation is not allowed"
        )
        #expect(try host.leases() == before)
        try host.add(network, in: container, interface: "eth1")
        try host.add(network, in: container, id: "c2")
        #expect(try host.leases().count == 6)
    }

    @Test func ofAnAddressPluginWithAnAddressOfItsOwnTakesNothingFromTheFirst() throws {
        let network = host.network("host-local")
        try host.add(network, in: container)
        let before = try host.leases()
        let wanted = network.with(["runtimeConfig": ["ips": ["10.1.0.2"]]])
        try host.call("ADD", wanted, in: container).run().failed(103, "10.1.0.2")
        #expect(try host.leases() == before)
    }

    @Test func inAnotherNamespaceOfTheSameIdentifierTakesNothingFromTheFirst() throws {
        // As after a crash: the runtime has forgotten the first, but it still runs.
        let other = try ContainerNamespace()
        let network = host.dualStack()
        try host.add(network, in: container)
        let before = try host.state(container, other)
        let answer = try host.call("ADD", network, in: other).run()
        #expect(!answer.isSuccess && answer.complaint.contains("DEL"), "\(answer)")
        try host.expectUnchanged(since: before, container, other)
    }

    @Test func afterALostInterfaceTheLeaseThatIsLeftIsNamed() throws {
        let network = host.dualStack()
        try host.add(network, in: container)
        try container.inside { try Network.run("ip link delete eth0") }
        // The delegate's failure is followed by its DEL, as the specification wants it, so the next try succeeds.
        try host.call("ADD", network, in: container).run().failed(107, "10.1.0.2")
        #expect(try Network.ports().isEmpty)
        try host.call("DEL", network, in: container).run().succeeded()
        try host.add(network, in: container)
    }

    @Test func ofTheLoopbackSucceeds() throws {
        for _ in 0..<2 { try host.add(host.network("loopback"), in: container) }
    }
}
