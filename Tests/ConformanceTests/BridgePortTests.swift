// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// The links of a bridge network and what the bridge does with its ports.
@Suite("Bridge: links and ports", .privateHost)
struct BridgePortTests {
    private let host: Host
    private let container: ContainerNamespace

    init() throws {
        host = try Host()
        container = try ContainerNamespace()
    }

    private func port() throws -> Value { try #require(try Network.ports().first) }
    private func portData() throws -> Value? { try port()["linkinfo"]?["info_slave_data"] }
    private func inside() throws -> Value? { try container.inside { try Network.link("eth0") } }

    @Test func withoutOtherWishesTheBridgeIsPlain() throws {
        try host.add(host.network("bridge", with: ["bridge": nil]), in: container)
        let bridge = try #require(try Network.link("cni0"))
        #expect(bridge["linkinfo"]?["info_kind"] == "bridge")
        #expect(bridge["promiscuity"] == 0)
        let port = try #require(try Network.ports("cni0").first)
        #expect(port["linkinfo"]?["info_slave_data"]?["hairpin"] == false)
        #expect(port["linkinfo"]?["info_slave_data"]?["isolated"] == false)
        #expect(port["mtu"] == 1500)
    }

    @Test func bothEndsAreUpAndThePortForwardsWhenAddReturns() throws {
        try host.add(host.network("bridge"), in: container)
        #expect(try port()["operstate"] == "UP")
        #expect(try inside()?["flags"]?.array.contains("LOWER_UP") == true)
        #expect(try portData()?["state"] == "forwarding")
        #expect(try Network.link("br0")?["flags"]?.array.contains("UP") == true)
    }

    @Test func theHostsEndBearsAnAliasAndTheNameOfTheAttachment() throws {
        let result = try host.add(host.network("bridge"), in: container)
        #expect(try port()["ifalias"] == "cni:lan/c1/eth0")
        let name = try port()["ifname"]?.string ?? ""
        try host.call("DEL", host.network("bridge"), in: container).run().succeeded()
        try host.add(host.network("bridge"), in: container)
        #expect(try port()["ifname"] == .string(name), "the name follows from the attachment alone")
        #expect(result["interfaces"]?[1]?["name"] == .string(name))
        try host.call("DEL", host.network("bridge"), in: container).run().succeeded()
        try host.add(host.network("bridge"), in: container, id: "c2")
        #expect(try port()["ifname"] != .string(name))
    }

    @Test func theHostsEndIsNoWayIntoTheHost() throws {
        try host.add(host.network("bridge"), in: container)
        let name = try port()["ifname"]?.string ?? ""
        #expect(try port()["addr_info"] == [])
        #expect(try Network.setting("ipv6/conf/\(name)/accept_ra") == "0")
        #expect(try Network.setting("ipv6/conf/br0/accept_ra") == "0")
    }

    @Test(arguments: [true, false])
    func hairpinIsAsConfigured(isOn: Bool) throws {
        try host.add(host.network("bridge", with: ["hairpinMode": .bool(isOn)]), in: container)
        #expect(try portData()?["hairpin"] == .bool(isOn))
    }

    @Test(arguments: [true, false])
    func isolationIsAsConfigured(isOn: Bool) throws {
        try host.add(host.network("bridge", with: ["portIsolation": .bool(isOn)]), in: container)
        #expect(try portData()?["isolated"] == .bool(isOn))
    }

    @Test func thePromiscuousBridgeListensToAll() throws {
        try host.add(host.network("bridge", with: ["promiscMode": true]), in: container)
        #expect(try Network.link("br0")?["promiscuity"] == 1)
        try host.add(host.network("bridge", with: ["promiscMode": true]), in: container, interface: "eth1")
        #expect(try Network.link("br0")?["promiscuity"] == 1)
    }

    @Test func hairpinAndPromiscuousExcludeEachOther() throws {
        let network = host.network("bridge", with: ["promiscMode": true, "hairpinMode": true])
        for command in ["ADD", "DEL", "STATUS"] {
            try host.call(command, network, in: container).run().failed(7, "hairpin")
        }
    }

    @Test(arguments: [68, 1280, 1400, 9000, 65_535])
    func theMTUIsThatOfBothEndsAndOfTheNewBridge(mtu: Int) throws {
        let result = try host.add(host.network("bridge", with: ["mtu": .int(mtu)]), in: container)
        #expect(try port()["mtu"] == .int(mtu))
        #expect(try inside()?["mtu"] == .int(mtu))
        #expect(try Network.link("br0")?["mtu"] == .int(mtu))
        #expect(result["interfaces"]?.array.compactMap { $0["mtu"] } == [.int(mtu), .int(mtu), .int(mtu)])
    }

    @Test func hardwareAddressesStayAsTheyAreReported() throws {
        let result = try host.add(host.network("bridge"), in: container)
        for number in 1...3 { try host.add(host.network("bridge"), in: container, interface: "net\(number)") }
        #expect(try Network.link("br0")?["address"] == result["interfaces"]?[0]?["mac"])
        #expect(try inside()?["address"] == result["interfaces"]?[2]?["mac"])
        let first = result["interfaces"]?[2]?["mac"]?.string?.split(separator: ":").first.flatMap {
            UInt8($0, radix: 16)
        }
        #expect(first.map { $0 & 3 } == 2, "locally administered, and of one machine")
    }

    @Test func theContainersInterfaceMayStayDown() throws {
        let network = host.network("bridge", with: ["ipam": nil, "disableContainerInterface": true])
        let result = try host.add(network, in: container)
        #expect(result["interfaces"]?.array.count == 3)
        #expect(try inside()?["flags"]?.array.contains("UP") == false)
        #expect(try port()["flags"]?.array.contains("UP") == true)
        try host.call("DEL", network, in: container).run().succeeded()
        #expect(try Network.ports().isEmpty)
        let wrong = host.network("bridge", with: ["disableContainerInterface": true])
        try host.call("ADD", wrong, in: container).run().failed(7, "cannot use IPAM")
    }

    @Test(arguments: [nil, .null, [:], ["type": ""]] as [Value?])
    func withoutAddressPluginThereIsALinkAndNoAddress(ipam: Value?) throws {
        let network = host.network("bridge", with: ["ipam": ipam, "isGateway": true])
        let result = try host.add(network, in: container)
        #expect(result["ips"] == nil)
        #expect(try inside()?["flags"]?.array.contains("LOWER_UP") == true)
        #expect(try container.inside { try Network.addresses("eth0") } == [])
        #expect(try Network.addresses("br0") == [])
        #expect(try Network.setting("ipv4/ip_forward") == "0")
        for command in ["CHECK", "STATUS", "GC", "DEL"] {
            try host.call(command, network.with(["prevResult": result]), in: container).run().succeeded()
        }
    }

    @Test(
        arguments: [
            (["vlan": -1], "vlan"), (["vlan": 4095], "4095"), (["vlan": 99_999], "vlan"),
            (["vlanTrunk": [["minID": 5]]], "maxID is missing"),
            (["vlanTrunk": [["maxID": 5]]], "minID is missing"),
            (["vlanTrunk": [["minID": 9, "maxID": 5]]], "minID is greater than maxID"),
            (["vlanTrunk": [["id": 0]]], "trunk id"), (["vlanTrunk": [["id": 4095]]], "trunk id"),
            (["vlanTrunk": [["minID": 0, "maxID": 5]]], "trunk minID"),
            (["vlanTrunk": [["minID": 1, "maxID": 4095]]], "trunk maxID"),
            (["vlanTrunk": [["id": "5"]]], "vlanTrunk"), (["vlanTrunk": [["id": 5], ["id": -2]]], "vlanTrunk[1]"),
        ] as [([String: Value], String)]
    )
    func aVLANThatIsNoneIsRefused(keys: [String: Value], sign: String) throws {
        let before = try host.state(container)
        try host.call("ADD", host.network("bridge", with: keys.mapValues { $0 }), in: container).run().failed(7, sign)
        try host.expectUnchanged(since: before, container)
    }

    /// Whether the kernel's bridges can tell VLANs apart.
    private static let canFilterVLANs: Bool = {
        guard let namespace = try? ContainerNamespace() else { return false }
        let outcome = try? namespace.inside {
            try PluginProcess(
                Programs.path("ip") ?? "ip",
                arguments: ["link", "add", "name", "brv", "type", "bridge", "vlan_filtering", "1"]
            ).run()
        }
        return outcome?.exitCode == 0
    }()

    @Test(.enabled(if: canFilterVLANs, "the kernel was built without CONFIG_BRIDGE_VLAN_FILTERING"))
    func thePortIsAMemberOfItsVLANs() throws {
        let trunk: Value = [["minID": 200, "maxID": 202], ["id": 300]]
        let network = host.network("bridge", with: ["vlan": 100, "vlanTrunk": trunk])
        try host.add(network, in: container)
        #expect(try Network.link("br0")?["linkinfo"]?["info_data"]?["vlan_filtering"] == 1)
        let name = try port()["ifname"]?.string ?? ""
        let vlans =
            try Value(parsing: Programs.run("bridge", "-j", "vlan", "show", "dev", name))[0]?["vlans"]?.array ?? []
        #expect(vlans.contains { $0["vlan"] == 100 && $0["flags"]?.array.contains("PVID") == true })
        #expect(!vlans.contains { $0["vlan"] == 1 })
        #expect(vlans.compactMap { $0["vlan"]?.int }.max() == 300)
    }

    @Test(
        .enabled(if: !canFilterVLANs, "the kernel has CONFIG_BRIDGE_VLAN_FILTERING"),
        arguments: [
            ["vlan": 100], ["vlanTrunk": []], ["vlanTrunk": [["id": 7]]],
        ] as [[String: Value]]
    )
    func withoutVLANsInTheKernelAddSaysSoAndIsUndone(keys: [String: Value]) throws {
        let before = try host.state(container)
        let answer = try host.call("ADD", host.network("bridge", with: keys.mapValues { $0 }), in: container).run()
        answer.failed(100)
        try host.expectUnchanged(since: before, container)
    }
}
