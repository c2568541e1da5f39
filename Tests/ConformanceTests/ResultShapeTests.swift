// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// What ADD prints in each version: section 5.
@Suite("Results", .privateHost)
struct ResultShapeTests {
    private let host: Host
    private let container: ContainerNamespace

    init() throws {
        host = try Host()
        container = try ContainerNamespace()
    }

    private var routes: Value {
        [
            ["dst": "10.9.0.0/16", "gw": "10.1.0.9"], ["dst": "fd00:9::/64"],
            ["dst": "10.8.0.0/16", "mtu": 1400, "priority": 5],
        ]
    }

    private func network(_ plugin: String, _ version: String) -> Value {
        var network = host.dualStack(version, with: ["type": .string(plugin), "dns": ["nameservers": ["10.1.0.1"]]])
        network["ipam"] = host.ipam("10.1.0.0/24", "fd00:1::/64", with: ["routes": routes])
        return network
    }

    @Test(arguments: Schema.versions)
    func aDualStackAttachmentIsDescribedInFull(version: String) throws {
        let result = try host.add(network("bridge", version), in: container)
        #expect(Schema.faults(of: result, version) == [], "\(result.text)")
        #expect(result["dns"] == ["nameservers": ["10.1.0.1"]])
        if version < "0.3.0" {
            #expect(
                result["ip4"] == [
                    "ip": "10.1.0.2/24", "gateway": "10.1.0.1",
                    "routes": [
                        ["dst": "10.9.0.0/16", "gw": "10.1.0.9"], ["dst": "10.8.0.0/16"],
                        ["dst": "0.0.0.0/0", "gw": "10.1.0.1"],
                    ],
                ]
            )
            #expect(
                result["ip6"] == [
                    "ip": "fd00:1::2/64", "gateway": "fd00:1::1",
                    "routes": [["dst": "fd00:9::/64"], ["dst": "::/0", "gw": "fd00:1::1"]],
                ]
            )
            return
        }
        var ips: [Value] = [
            ["address": "10.1.0.2/24", "gateway": "10.1.0.1", "interface": 2],
            ["address": "fd00:1::2/64", "gateway": "fd00:1::1", "interface": 2],
        ]
        if version < "1.0.0" { ips = zip(ips, ["4", "6"] as [Value]).map { $0.with(["version": $1]) } }
        #expect(result["ips"] == .array(ips))
        var third: Value = ["dst": "10.8.0.0/16"]
        if version >= "1.0.0" { third = third.with(["mtu": 1400, "priority": 5]) }
        #expect(
            result["routes"] == [
                ["dst": "10.9.0.0/16", "gw": "10.1.0.9"], ["dst": "fd00:9::/64"], third,
                ["dst": "0.0.0.0/0", "gw": "10.1.0.1"], ["dst": "::/0", "gw": "fd00:1::1"],
            ]
        )
        try expectInterfaces(result, version)
    }

    private func expectInterfaces(_ result: Value, _ version: String) throws {
        let port = try #require(try Network.ports().first)
        let inside = try #require(try container.inside { try Network.link("eth0") })
        let bridge = try #require(try Network.link("br0"))
        for (index, link) in [bridge, port, inside].enumerated() {
            let entry = try #require(result["interfaces"]?[index])
            #expect(entry["name"] == link["ifname"])
            #expect(entry["mac"] == link["address"])
            #expect(entry["sandbox"] == (index == 2 ? .string(container.path) : nil))
            if version == "1.1.0" { #expect(entry["mtu"] == link["mtu"]) }
        }
        #expect(result["interfaces"]?.array.count == 3)
    }

    @Test(arguments: Schema.versions)
    func anAddressPluginNamesNoInterfaces(version: String) throws {
        let result = try host.add(network("host-local", version), in: container)
        #expect(Schema.faults(of: result, version) == [], "\(result.text)")
        #expect(result["interfaces"] == nil)
        #expect(result["ips"]?.array.allSatisfy { $0["interface"] == nil } ?? true)
        if version >= "1.0.0" {
            #expect(result["routes"] == routes)
        }
    }

    @Test(arguments: Schema.versions)
    func theLoopbackIsDescribed(version: String) throws {
        let result = try host.add(host.network("loopback", version), in: container)
        #expect(Schema.faults(of: result, version) == [], "\(result.text)")
        if version < "0.3.0" {
            #expect(result["ip4"] == ["ip": "127.0.0.1/8"])
            #expect(result["ip6"] == ["ip": "::1/128"])
            return
        }
        let interface = result["interfaces"]?[0]
        #expect(interface?["name"] == "lo")
        #expect(interface?["sandbox"] == .string(container.path))
        #expect(Set(result["ips"]?.array.compactMap { $0["address"]?.string } ?? []) == ["127.0.0.1/8", "::1/128"])
        #expect(result["ips"]?.array.allSatisfy { $0["interface"] == 0 } == true)
    }

    @Test(arguments: Schema.versions)
    func anAttachmentWithoutAddressesIsOneFromVersion030(version: String) throws {
        let network = host.network("bridge", version, with: ["ipam": nil])
        let before = try host.state(container)
        let answer = try host.call("ADD", network, in: container).run()
        if version < "0.3.0" {
            #expect(!answer.isSuccess, "an old result cannot be without addresses")
            try host.expectUnchanged(since: before, container)
            return
        }
        answer.succeeded()
        #expect(Schema.faults(of: answer.result, version) == [])
        #expect(answer.result["ips"] == nil)
        #expect(answer.result["interfaces"]?.array.count == 3)
    }

    @Test func anOldVersionRefusesASecondAddressOfAFamily() throws {
        let before = try host.state(container)
        for version in ["0.1.0", "0.2.0"] {
            let network = host.network("bridge", version, with: ["ipam": host.ipam("10.1.0.0/24", "10.2.0.0/24")])
            try host.call("ADD", network, in: container).run().failed(
                7,
                "does not support more than 1 address per family"
            )
            try host.expectUnchanged(since: before, container)
        }
    }
}
