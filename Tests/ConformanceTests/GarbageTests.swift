// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// GC removes exactly what belongs to nobody: section 4.4.
@Suite("GC", .privateHost)
struct GarbageTests {
    private let host: Host
    private let first: ContainerNamespace
    private let second: ContainerNamespace

    /// Two attachments of the network `lan` and one of `wan`, all on one bridge and in one address store.
    init() throws {
        host = try Host()
        (first, second) = (try ContainerNamespace(), try ContainerNamespace())
        try host.add(host.dualStack(), in: first)
        try host.add(host.dualStack(), in: second, id: "c2")
        try host.add(host.dualStack(with: ["name": "wan"]), in: second, id: "c2", interface: "eth1")
    }

    private let key = "cni.dev/valid-attachments"
    private let oldKey = "cni.dev/attachments"

    private func pair(_ id: String, _ interface: String = "eth0") -> Value {
        ["containerID": .string(id), "ifname": .string(interface)]
    }

    private func collect(_ changes: [String: Value?]) throws -> Answer {
        try host.call("GC", host.dualStack(with: changes)).run()
    }

    /// The holders of leases by network, in order.
    private func holders(_ network: String) throws -> [String] {
        try host.leases().filter { $0.key.hasPrefix("\(network)/") }.map { $0.value.replacing("\r\n", with: " ") }
            .sorted()
    }

    private func expectPorts(_ count: Int, sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(try Network.ports().count == count, sourceLocation: sourceLocation)
    }

    @Test(arguments: [.null, []] as [Value], [true, false])
    func withNothingValidAllOfTheNetworkGoes(valid: Value, isNew: Bool) throws {
        try collect([isNew ? key : oldKey: .some(valid)]).succeeded()
        #expect(try holders("lan") == [])
        #expect(try holders("wan") == ["c2 eth1", "c2 eth1"])
        try expectPorts(1)
    }

    @Test func withoutTheKeyNothingThatLivesGoes() throws {
        let before = try host.state(first, second)
        try collect([:]).succeeded()
        try host.expectUnchanged(since: before, first, second)
    }

    @Test(arguments: [true, false])
    func halfOfThemMayBeValid(isNew: Bool) throws {
        try collect([isNew ? key : oldKey: [pair("c2")]]).succeeded()
        #expect(try holders("lan") == ["c2 eth0", "c2 eth0"])
        #expect(try holders("wan").count == 2)
        try expectPorts(2)
        #expect(try second.inside { try Network.addresses("eth0") } == ["10.1.0.3/24", "fd00:1::3/64"])
    }

    @Test func theNewKeyWinsOverTheOldOne() throws {
        try collect([key: [pair("c2")], oldKey: []]).succeeded()
        #expect(try holders("lan") == ["c2 eth0", "c2 eth0"])
    }

    @Test func whatIsValidStaysAndUnknownPairsDoNoHarm() throws {
        let before = try host.state(first, second)
        let all: Value = [pair("c1"), pair("c2"), pair("c9"), pair("c1", "eth9"), pair("c2", "eth1"), pair("c1")]
        try collect([key: all]).succeeded()
        try host.expectUnchanged(since: before, first, second)
        let capitalised: Value = [
            ["ContainerID": "c1", "IfName": "eth0"], ["CONTAINERID": "c2", "IFNAME": "eth0", "x": 1],
        ]
        try collect([key: capitalised]).succeeded()
        try host.expectUnchanged(since: before, first, second)
    }

    @Test func anInterfaceOfAValidContainerIsNotValidByThat() throws {
        try host.add(host.dualStack(), in: first, interface: "net1")
        try collect([key: [pair("c1", "net1"), pair("c2")]]).succeeded()
        #expect(try holders("lan") == ["c1 net1", "c1 net1", "c2 eth0", "c2 eth0"])
        #expect(try first.inside { try Network.link("eth0") } == nil)
        #expect(try first.inside { try Network.link("net1") } != nil)
    }

    @Test(
        arguments: [
            "c1", 5, [:], ["c1"], [["containerID": "c1"]], [["ifname": "eth0"]],
            [["containerID": 1, "ifname": "eth0"]], true,
            [["containerID": "c1", "ifname": "eth0"], 5],
        ] as [Value]
    )
    func aListThatIsNoneRemovesNothing(list: Value) throws {
        let before = try host.state(first, second)
        try collect([key: .some(list)]).failed(7, key)
        try host.expectUnchanged(since: before, first, second)
    }

    @Test func networksWhoseNamesBeginAlikeAreNotMixedUp() throws {
        let third = try ContainerNamespace()
        try host.add(host.dualStack(with: ["name": "lan2"]), in: third, id: "c3")
        try host.add(host.dualStack(with: ["name": "la"]), in: third, id: "c3", interface: "eth1")
        try collect([key: []]).succeeded()
        #expect(try holders("lan2").count == 2)
        #expect(try holders("la").count == 2)
        try expectPorts(3)
    }

    @Test func leasesOfTheOldFormAndFilesThatAreNoneSurvive() throws {
        let folder = "\(host.dataDir)/lan"
        try "c1".write(toFile: "\(folder)/10.1.0.200", atomically: false, encoding: .utf8)
        try "c7".write(toFile: "\(folder)/10.1.0.201", atomically: false, encoding: .utf8)
        try collect([key: [pair("c1")]]).succeeded()
        #expect(try host.leases()["lan/10.1.0.200"] == "c1")
        #expect(try host.leases()["lan/10.1.0.201"] == nil)
        #expect(FileManager.default.fileExists(atPath: "\(folder)/last_reserved_ip.0"))
        #expect(FileManager.default.fileExists(atPath: "\(folder)/lock"))
    }

    @Test func theErrorOfADelegateIsToldAndTheRestIsDone() throws {
        let fake = try FakePlugin(
            on: host,
            [
                "ADD": #"echo '{"ips":[{"address":"10.5.0.9/24"}]}'"#,
                "GC": #"echo '{"code":51,"msg":"half","details":"way"}'; exit 1"#,
            ]
        )
        let network = host.network("bridge", with: ["name": "fake", "ipam": ["type": "fake"], key: []])
        let add = host.call("ADD", network, in: first, id: "c5", interface: "net5").with(["CNI_PATH": fake.path])
        try add.run().succeeded()
        try expectPorts(4)
        try host.call("GC", network).with(["CNI_PATH": fake.path]).run().failed(51, "half: way")
        try expectPorts(3)
        #expect(fake.commands == ["ADD", "GC"])
    }

    @Test func twiceIsLikeOnceAndWithoutStateItDoesNothing() throws {
        for _ in 0..<2 { try collect([key: []]).succeeded() }
        for plugin in ProtocolTests.plugins {
            try host.call("GC", host.network(plugin, with: ["name": "never", key: []])).run().succeeded()
        }
        #expect(try holders("wan").count == 2)
    }
}
