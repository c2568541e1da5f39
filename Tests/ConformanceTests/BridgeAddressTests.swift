// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// Addresses, gateways, routes and name servers of a bridge network.
@Suite("Bridge: addresses and routes", .privateHost)
struct BridgeAddressTests {
    private let host: Host
    private let container: ContainerNamespace

    init() throws {
        host = try Host()
        container = try ContainerNamespace()
    }

    /// The routes of the container in the main table, by destination.
    private func routes(_ family: String = "-4", table: String = "main") throws -> [String: Value] {
        let list = try container.inside { try Network.routes(family, table: table) }
        return Dictionary(list.compactMap { route in route["dst"]?.string.map { ($0, route) } }) { first, _ in first }
    }

    @Test func aPlainNetworkTouchesNothingButItsLinks() throws {
        let result = try host.add(host.network("bridge"), in: container)
        #expect(result["ips"] == [["address": "10.1.0.2/24", "gateway": "10.1.0.1", "interface": 2]])
        #expect(try Network.addresses("br0") == [])
        #expect(try Network.setting("ipv4/ip_forward") == "0")
        #expect(try routes()["default"] == nil)
        #expect(try container.inside { try Network.addresses("eth0") } == ["10.1.0.2/24"])
    }

    @Test func aGatewayHasTheAddressAndForwards() throws {
        let network = host.dualStack(with: ["isDefaultGateway": nil, "isGateway": true])
        let result = try host.add(network, in: container)
        #expect(try Network.addresses("br0") == ["10.1.0.1/24", "fd00:1::1/64"])
        #expect(try Network.setting("ipv4/ip_forward") == "1")
        #expect(try Network.setting("ipv6/conf/all/forwarding") == "1")
        #expect(result["routes"] == nil)
        #expect(try routes()["default"] == nil)
    }

    @Test(arguments: [("10.1.0.0/24", "4"), ("fd00:1::/64", "6")])
    func forwardingIsSwitchedOnForTheFamilyInUseAlone(subnet: String, family: String) throws {
        try host.add(host.network("bridge", with: ["isGateway": true, "ipam": host.ipam(subnet)]), in: container)
        #expect(try Network.setting("ipv4/ip_forward") == (family == "4" ? "1" : "0"))
        #expect(try Network.setting("ipv6/conf/all/forwarding") == (family == "6" ? "1" : "0"))
    }

    @Test func theDefaultGatewayIsTheWayToEverywhere() throws {
        let result = try host.add(host.dualStack(), in: container)
        #expect(result["routes"] == [["dst": "0.0.0.0/0", "gw": "10.1.0.1"], ["dst": "::/0", "gw": "fd00:1::1"]])
        #expect(try routes()["default"]?["gateway"] == "10.1.0.1")
        #expect(try routes("-6")["default"]?["gateway"] == "fd00:1::1")
    }

    @Test func aDefaultRouteOfTheAddressPluginIsNotDoubled() throws {
        let ipam = host.ipam("10.1.0.0/24", with: ["routes": [["dst": "0.0.0.0/0", "gw": "10.1.0.9"]]])
        let result = try host.add(host.dualStack(with: ["ipam": ipam]), in: container)
        #expect(result["routes"] == [["dst": "0.0.0.0/0", "gw": "10.1.0.9"]])
        #expect(try routes()["default"]?["gateway"] == "10.1.0.9")
    }

    @Test func theGatewayIsTheFirstAddressUnlessTheConfigurationNamesOne() throws {
        let named: Value = [
            [["subnet": "10.1.0.0/24", "gateway": "10.1.0.254"]],
            [["subnet": "fd00:1::/64", "gateway": "fd00:1::ffff"]],
        ]
        let result = try host.add(host.dualStack(with: ["ipam": host.ipam(with: ["ranges": named])]), in: container)
        #expect(result["ips"]?[0]?["gateway"] == "10.1.0.254")
        #expect(try Network.addresses("br0") == ["10.1.0.254/24", "fd00:1::ffff/64"])
    }

    @Test func aGatewayThatTheAddressPluginLeftOutIsTheFirstAddress() throws {
        let fake = try FakePlugin(on: host, ["ADD": #"echo '{"ips":[{"address":"10.5.0.9/24"}]}'"#])
        let network = host.network("bridge", with: ["isGateway": true, "ipam": ["type": "fake"]])
        let result = try host.call("ADD", network, in: container).with(["CNI_PATH": fake.path]).run().succeeded().result
        #expect(result["ips"]?[0]?["gateway"] == "10.5.0.1")
        #expect(try Network.addresses("br0") == ["10.5.0.1/24"])
    }

    @Test func anAddressInTheWayIsReplacedWhereThatIsWanted() throws {
        try Network.run("ip link add name br0 type bridge")
        for address in ["10.99.0.1/24", "fd00:1::9/64", "fd00:99::1/64"] {
            try Network.run("ip address add \(address) dev br0")
        }
        try host.call("ADD", host.dualStack(), in: container).run().failed(
            7,
            "already has an IP address different from",
            "forceAddress"
        )
        try host.add(host.dualStack(with: ["forceAddress": true]), in: container)
        #expect(try Network.addresses("br0") == ["10.1.0.1/24", "fd00:1::1/64", "fd00:99::1/64"])
    }

    @Test func aSecondNetworkOfAnotherFamilyOrAnIPv6NetworkMayShareTheBridge() throws {
        try host.add(host.dualStack(), in: container)
        let other = host.dualStack(with: ["name": "six", "ipam": host.ipam("fd00:2::/64")])
        try host.add(other, in: container, interface: "eth1")
        #expect(try Network.addresses("br0") == ["10.1.0.1/24", "fd00:1::1/64", "fd00:2::1/64"])
        let third = host.dualStack(with: ["name": "four", "ipam": host.ipam("10.2.0.0/24")])
        try host.call("ADD", third, in: container, interface: "eth2").run().failed(7, "10.2.0.1/24")
    }

    @Test func severalRangesGiveSeveralAddresses() throws {
        let network = host.dualStack(with: [
            "ipam": host.ipam("10.1.0.0/24", "10.2.0.0/24", "fd00:1::/64", "fd00:2::/64")
        ])
        let result = try host.add(network, in: container)
        let expected: Set = ["10.1.0.2/24", "10.2.0.2/24", "fd00:1::2/64", "fd00:2::2/64"]
        #expect(Set(result["ips"]?.array.compactMap { $0["address"]?.string } ?? []) == expected)
        #expect(try container.inside { try Network.addresses("eth0") } == expected)
        #expect(try Network.addresses("br0") == ["10.1.0.1/24", "10.2.0.1/24", "fd00:1::1/64", "fd00:2::1/64"])
        try host.call("CHECK", network.with(["prevResult": result]), in: container).run().succeeded()
    }

    @Test func oneSetOfRangesIsOnePool() throws {
        let ranges: Value = [[["subnet": "10.1.0.0/30"], ["subnet": "10.2.0.0/24", "rangeStart": "10.2.0.100"]]]
        let network = host.network("bridge", with: ["ipam": host.ipam(with: ["ranges": ranges])])
        #expect(try host.add(network, in: container)["ips"]?[0]?["address"] == "10.1.0.2/30")
        #expect(try host.add(network, in: container, interface: "eth1")["ips"]?[0]?["address"] == "10.2.0.100/24")
    }

    @Test func routesHaveAllTheirProperties() throws {
        let wanted: Value = [
            ["dst": "10.20.0.0/16", "gw": "10.1.0.7", "mtu": 1300, "advmss": 1200, "priority": 42],
            ["dst": "10.21.0.0/16", "table": 1001, "scope": 253], ["dst": "10.22.0.0/16"],
            ["dst": "fd00:20::/64", "gw": "fd00:1::7", "mtu": 1300, "priority": 42],
            ["dst": "fd00:22::/64", "table": 1001],
        ]
        let network = host.dualStack(with: [
            "isDefaultGateway": nil, "ipam": host.ipam("10.1.0.0/24", "fd00:1::/64", with: ["routes": wanted]),
        ])
        let result = try host.add(network, in: container)
        #expect(result["routes"] == wanted)
        let (four, six) = (try routes(), try routes("-6"))
        #expect(four["10.20.0.0/16"]?["gateway"] == "10.1.0.7")
        #expect(four["10.20.0.0/16"]?["metric"] == 42)
        #expect(four["10.20.0.0/16"]?["metrics"] == [["mtu": 1300, "advmss": 1200]])
        #expect(four["10.22.0.0/16"]?["gateway"] == "10.1.0.1")
        #expect(six["fd00:20::/64"]?["gateway"] == "fd00:1::7")
        #expect(six["fd00:20::/64"]?["metric"] == 42)
        let other = try routes(table: "1001")["10.21.0.0/16"]
        #expect(other?["scope"] == "link" && other?["gateway"] == nil, "\(other?.text ?? "")")
        #expect(try routes("-6", table: "1001")["fd00:22::/64"]?["gateway"] == "fd00:1::1")
        try host.call("CHECK", network.with(["prevResult": result]), in: container).run().succeeded()
    }

    @Test func nameServersOfTheConfigurationReplaceThoseOfTheAddressPlugin() throws {
        let file = try host.directory.write(
            "# comment\nnameserver 10.1.0.53\n;x\nnameserver fd00::53 more\ndomain lab.test\nsearch a.test b.test\noptions ndots:2\n",
            to: "resolv.conf"
        )
        let ipam = host.ipam(with: ["resolvConf": .string(file)])
        let resolved: Value = [
            "nameservers": ["10.1.0.53", "fd00::53"], "domain": "lab.test", "search": ["a.test", "b.test"],
            "options": ["ndots:2"],
        ]
        let cases: [(Value?, Value)] = [
            (nil, resolved), ([:], resolved), (["nameservers": []], resolved),
            (["domain": "x.test"], ["domain": "x.test"]),
            (["nameservers": ["10.9.9.9"]], ["nameservers": ["10.9.9.9"]]), (["options": ["x"]], ["options": ["x"]]),
        ]
        for (number, (dns, expected)) in cases.enumerated() {
            let network = host.network("bridge", with: ["ipam": ipam, "dns": dns])
            #expect(try host.add(network, in: container, interface: "eth\(number)")["dns"] == expected)
        }
    }

    @Test func addressesAreUsableAtOnceUnlessDuplicatesAreLookedFor() throws {
        try host.add(host.dualStack(), in: container)
        let other = try ContainerNamespace()
        try host.add(host.dualStack(with: ["enabledad": true]), in: other, id: "c2")
        for (namespace, dad) in [(container, "0"), (other, "1")] {
            try namespace.inside {
                #expect(try Network.setting("ipv6/conf/eth0/accept_dad") == dad)
                #expect(try Network.setting("ipv6/conf/eth0/accept_ra") == "0")
                #expect(try Network.setting("ipv4/conf/eth0/arp_notify") == "1")
                #expect(try Network.setting("ipv6/conf/eth0/ndisc_notify") == "1")
                #expect(try Network.setting("ipv6/conf/eth0/keep_addr_on_down") == "1")
                let entries = try Network.link("eth0")?["addr_info"]?.array ?? []
                #expect(entries.allSatisfy { $0["scope"] == "link" || $0["tentative"] == nil })
            }
        }
    }
}
