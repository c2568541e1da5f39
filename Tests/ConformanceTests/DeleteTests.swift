// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// DEL succeeds whatever is missing and leaves nothing: section 4.2.
@Suite("DEL", .privateHost)
struct DeleteTests {
    private let host: Host
    private let container: ContainerNamespace

    init() throws {
        host = try Host()
        container = try ContainerNamespace()
    }

    /// Expects that nothing of any attachment is left.
    private func expectNothingLeft(sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(try host.leases() == [:], sourceLocation: sourceLocation)
        let links = try Network.links().compactMap { $0["ifname"]?.string }
        #expect(links.filter { $0 != "lo" && $0 != "br0" } == [], sourceLocation: sourceLocation)
    }

    @Test(arguments: ProtocolTests.plugins, Schema.versions)
    func deleteWithoutAddDoesNothing(plugin: String, version: String) throws {
        let before = try host.state(container)
        for netns in [container.path, "", "/nowhere/at/all"] {
            try host.call("DEL", host.network(plugin, version), in: container).with(["CNI_NETNS": netns]).run()
                .succeeded()
        }
        try host.expectUnchanged(since: before, container)
    }

    @Test(arguments: ProtocolTests.plugins, Schema.versions)
    func aSecondDeleteDoesNothing(plugin: String, version: String) throws {
        let before = try host.state(container)
        let network = host.network(plugin, version)
        let result = try host.add(network, in: container)
        for _ in 0..<3 {
            try host.call("DEL", network.with(["prevResult": result]), in: container).run().succeeded()
        }
        try expectNothingLeft()
        // The kernel keeps the loopback's address and a bridge stays; all else is as it was.
        let after = try host.state(container)
        if plugin != "loopback" { #expect(after.containers == before.containers) }
        if plugin != "bridge" { #expect(after.host == before.host) }
        #expect(try container.inside { try Network.link("lo") }?["operstate"] == "DOWN")
    }

    @Test(
        arguments: [nil, .null, 5, [:], ["cniVersion": "9.9.9"], ["ips": "x"], ["ips": [["address": "x"]]]] as [Value?]
    )
    func deleteNeedsNoPreviousResultAndNoGoodOne(result: Value?) throws {
        try host.add(host.dualStack(), in: container)
        try host.call("DEL", host.dualStack(with: ["prevResult": result]), in: container).run().succeeded()
        try expectNothingLeft()
    }

    /// What may have become of the namespace before DEL.
    enum Loss: CaseIterable, CustomTestStringConvertible {
        case unnamed, pathRemoved, plainFile, folder, otherKind, empty, relative
        var testDescription: String { "\(self)" }
    }

    @Test(arguments: Loss.allCases, ["bridge", "host-local", "loopback"])
    func deleteNeedsNoNamespace(loss: Loss, plugin: String) throws {
        try host.add(host.network(plugin), in: container)
        var call = host.call("DEL", host.network(plugin), in: container)
        switch loss {
        case .unnamed: call.environment["CNI_NETNS"] = nil
        case .empty: call.environment["CNI_NETNS"] = ""
        case .pathRemoved: container.removePath()
        case .plainFile: container.leavePlainFile()
        case .folder: call.environment["CNI_NETNS"] = "/tmp"
        case .otherKind: call.environment["CNI_NETNS"] = "/proc/self/ns/mnt"
        case .relative: call.environment["CNI_NETNS"] = "no/such/path"
        }
        try call.run().succeeded()
        try call.run().succeeded()
        try expectNothingLeft()
    }

    @Test func theLeaseGoesWhenTheNamespaceWentFirst() throws {
        var gone: ContainerNamespace? = try ContainerNamespace(named: "gone")
        let call = host.call("DEL", host.dualStack(), in: gone)
        if let gone { try host.add(host.dualStack(), in: gone) }
        gone = nil
        #expect(try host.leases().count == 2)
        try call.run().succeeded()
        try expectNothingLeft()
    }

    @Test(arguments: ["host", "container", "bridge"])
    func deleteGoesOnWhereInterfacesWereRemovedByHand(place: String) throws {
        let result = try host.add(host.dualStack(), in: container)
        let port = result["interfaces"]?[1]?["name"]?.string ?? ""
        switch place {
        case "host": try Network.run("ip link delete \(port)")
        case "container": try container.inside { try Network.run("ip link delete eth0") }
        default: try Network.run("ip link delete br0")
        }
        try host.call("DEL", host.dualStack(with: ["prevResult": result]), in: container).run().succeeded()
        try expectNothingLeft()
    }

    @Test func aRenamedOrMovedInterfaceIsFoundFromTheHost() throws {
        let other = try ContainerNamespace()
        for line in ["ip link set eth0 name wan7", "ip link set eth0 netns \(other.path)"] {
            try host.add(host.dualStack(), in: container)
            try container.inside {
                try Network.run("ip link set eth0 down")
                try Network.run(line)
            }
            try host.call("DEL", host.dualStack(), in: container).run().succeeded()
            try expectNothingLeft()
        }
    }

    @Test func withoutTheAddressPluginTheInterfaceGoesAndTheErrorIsTold() throws {
        try host.add(host.dualStack(), in: container)
        let call = host.call("DEL", host.dualStack(), in: container)
        let folder = host.directory.path("empty")
        let answer = try call.with(["CNI_PATH": folder]).run().failed(106, "host-local", folder)
        // go-cni takes these words for success.
        #expect(!answer.complaint.contains("not found"))
        #expect(try Network.ports().isEmpty)
        #expect(try host.leases().count == 2)
        try call.run().succeeded()
        try expectNothingLeft()
    }

    @Test func onlyTheAttachmentOfTheRequestGoes() throws {
        let other = try ContainerNamespace()
        let network = host.dualStack()
        try host.add(network, in: container)
        try host.add(network, in: container, interface: "eth1")
        try host.add(network, in: other, id: "c2")
        try host.add(network.with(["name": "wan"]), in: other, id: "c2", interface: "eth1")
        try host.call("DEL", network, in: container, interface: "eth1").run().succeeded()
        #expect(try host.leases().count == 6)
        #expect(try Network.ports().count == 3)
        #expect(try container.inside { try Network.link("eth0") } != nil)
        #expect(try container.inside { try Network.link("eth1") } == nil)
    }

    @Test func aFailedAddsDeleteSparesTheInterfaceThatWasInTheWay() throws {
        let wan = host.dualStack(with: ["name": "wan"])
        try host.add(wan, in: container)
        try host.call("ADD", host.dualStack(), in: container).run().failed(102, "eth0")
        let before = try host.state(container)
        try host.call("DEL", host.dualStack(), in: container).run().succeeded()
        try host.expectUnchanged(since: before, container)
    }

    @Test func aDelegatesErrorIsToldAfterTheInterfaceWent() throws {
        let fake = try FakePlugin(
            on: host,
            [
                "ADD": #"echo '{"ips":[{"address":"10.1.0.9/24"}]}'"#,
                "DEL": #"echo '{"cniVersion":"1.1.0","code":77,"msg":"no","details":"never"}'; exit 1"#,
            ]
        )
        let network = host.network("bridge", with: ["ipam": ["type": "fake"]])
        try host.call("ADD", network, in: container).with(["CNI_PATH": fake.path]).run().succeeded()
        try host.call("DEL", network, in: container).with(["CNI_PATH": fake.path]).run().failed(77, "no: never")
        #expect(try Network.ports().isEmpty)
    }

    @Test(arguments: ["not an object", "nowhere"])
    func aWrongConfigurationIsRefusedByDeleteToo(kind: String) throws {
        let ipam: Value = kind == "nowhere" ? ["type": "host-local", "dataDir": .string(host.dataDir)] : .string(kind)
        let answer = try host.call("DEL", host.network("bridge", with: ["ipam": ipam]), in: container).run()
        answer.failed(7, "ipam")
    }
}
