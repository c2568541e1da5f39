// SPDX-License-Identifier: Apache-2.0

import Foundation
import JSON
import Support
import Testing

/// What is refused, with the place and the way out.
@Suite("vxlan: refusals", .ownNetworkNamespace)
struct RefusalTests {
    private let host: TestHost
    private let container: ContainerNamespace

    init() throws {
        host = try TestHost(1)
        container = try ContainerNamespace()
        try host.run("ip link add eth0 type veth peer name wire")
        for name in ["eth0", "wire"] { try host.run("ip link set \(name) addrgenmode none up") }
        try host.run("ip address add 192.168.9.1/24 dev eth0")
        try host.run("ip address add fd09::1/64 dev eth0 nodad")
        // The kernel notices a while later that the cable is plugged in, which is no change by a plugin.
        for name in ["eth0", "wire"] {
            try #require(try eventually { try host.run("ip link show \(name)").contains("state UP") })
        }
    }

    /// A refusal by its place and by what is said of it.
    struct Case: CustomTestStringConvertible, Sendable {
        let key: String
        let value: JSON?
        let sign: String
        var isBridged = false

        var testDescription: String {
            "\(key) = \(value.map { String(decoding: $0.serialize(), as: UTF8.self) } ?? "none")"
        }
    }

    private static let peer = OverlayNetwork.peer
    private static let cases: [Case] = [
        Case(key: "vni", value: 0, sign: "vni: must be between 1 and 16777215"),
        Case(key: "vni", value: 16_777_216, sign: "vni: must be between 1 and 16777215"),
        Case(key: "port", value: 65536, sign: "port: must be between 1 and 65535"),
        Case(key: "mode", value: "layer2", sign: "mode: \"layer2\" is none of routed, bridged"),
        Case(key: "controlPlane", value: "magic", sign: "controlPlane: \"magic\" is none of static, external"),
        Case(key: "teardown", value: "later", sign: "teardown: \"later\" is none of never, auto"),
        Case(key: "txChecksumOffload", value: "maybe", sign: "txChecksumOffload: \"maybe\" is none of auto, on, off"),
        Case(key: "network", value: nil, sign: "network is missing"),
        Case(key: "network", value: "10.5.0.0", sign: "network: \"10.5.0.0\" is not a network"),
        Case(key: "network", value: "10.77.0.0/16", sign: "subnet: 10.5.1.0/24 is not part of network"),
        Case(key: "subnet", value: "10.77.1.0/24", sign: "subnet: 10.77.1.0/24 is not part of network"),
        Case(key: "subnet", value: "10.5.2.128/25", sign: "overlaps 10.5.2.0/24 of peers[1].subnet"),
        Case(key: "subnet", value: "10.5.7.0/24", sign: "subnet: 10.5.7.0/24 is not what the others know of this host"),
        Case(key: "mtu", value: 1451, sign: "mtu: 1451 is too much: eth0 has 1500, and the tunnel takes 50"),
        Case(key: "mtu", value: 1279, sign: "mtu: IPv6 needs 1280"),
        Case(key: "device", value: "a-name-that-is-too-long", sign: "device: "),
        Case(key: "device", value: "cni-vx1", sign: "device: cni-vx1 is the bridge's name"),
        Case(key: "master", value: "lo", sign: "master: with 192.168.9.1 it is lo, which leads to no other host"),
        Case(key: "peersDir", value: "relative", sign: "peersDir: \"relative\" must begin with a slash"),
        Case(key: "peersDir", value: "/nowhere", sign: "peersDir: cannot read /nowhere: ENOENT"),
        Case(key: "group", value: "239.1.1.1", sign: "group: needs \"mode\": \"bridged\""),
        Case(key: "group", value: "10.1.1.1", sign: "group: 10.1.1.1 is not a group", isBridged: true),
        Case(key: "group", value: "239.1.1.1", sign: "neither peers nor controlPlane", isBridged: true),
        Case(key: "peers", value: [["subnet": "10.5.2.0/24"]], sign: "peers[0]: publicIP is missing"),
        Case(key: "peers", value: [["publicIP": "239.1.1.1"]], sign: "is not the address of a host"),
        Case(
            key: "peers",
            value: [peer(1, nil, "192.168.9."), peer(2, nil, "fd09::")],
            sign: "peers[1].publicIP: it has no IPv4"
        ),
        Case(
            key: "peers",
            value: [peer(1, nil, "192.168.9."), peer(2, nil, "192.168.9."), peer(3, 2, "192.168.9.")],
            sign: "peers[2].publicIP: 192.168.9.2/32 overlaps 192.168.9.2/32 of peers[1].publicIP"
        ),
        Case(
            key: "peers",
            value: [peer(1, nil, "192.168.9."), peer(2, nil, "192.168.9."), peer(2, 3, "192.168.9.")],
            sign: "peers[2].subnet: 10.5.2.0/24 overlaps 10.5.2.0/24 of peers[1].subnet"
        ),
        Case(
            key: "peers",
            value: [peer(1, nil, "192.168.9."), ["publicIP": "192.168.9.2", "vtepMAC": "01:00:5e:00:00:01"]],
            sign: "peers[1].vtepMAC"
        ),
        Case(
            key: "peers",
            value: [["publicIP": "192.168.9.2", "BackendData": ["VNI": 2]]],
            sign: "backendData.VNI is 2, and this network's is 1"
        ),
        Case(key: "peers", value: [["publicIP": "192.168.9.1"]], sign: "subnet: it is missing"),
        // Each host would give out all of the network.
        Case(key: "peers", value: [["publicIP": "192.168.9.1"]], sign: "subnet: it is missing", isBridged: true),
    ]

    @Test(arguments: cases) func aConfigurationThatCannotWorkIsRefusedWithItsPlace(refusal: Case) throws {
        let network = refusal.isBridged ? OverlayNetwork.bridged() : .routed()
        let before = try host.state()
        try host.call("ADD", network.with([refusal.key: refusal.value]), container).failed(7, refusal.sign)
        let after = try host.state()
        #expect(after == before, "\(after.difference(from: before))")
    }

    @Test func aSubnetWithTheAddressOfAHostIsRefused() throws {
        for (own, other, sign) in [
            ("192.168.8.0/24", "192.168.9.0/25", "192.168.9.1/32 overlaps 192.168.9.0/25 of peers[1].subnet"),
            ("192.168.9.0/30", "192.168.8.0/24", "192.168.9.1/32 overlaps 192.168.9.0/30 of subnet"),
            ("192.168.8.0/24", "192.168.9.2/32", "192.168.9.2/32 overlaps 192.168.9.2/32 of peers[1].subnet"),
        ] {
            let peers: [JSON] = [
                ["publicIP": "192.168.9.1", "subnet": .string(own)],
                ["publicIP": "192.168.9.2", "subnet": .string(other)],
            ]
            let network = OverlayNetwork.routed(["network": "192.168.0.0/16", "peers": .array(peers)])
            try host.call("ADD", network, container).failed(7, sign)
        }
    }

    @Test(arguments: [0, 1]) func aHardwareAddressOfTwoHostsIsRefused(first: Int) throws {
        var peers = (1...3).map { OverlayNetwork.peer($0) }
        for index in [first, 2] {
            if case .object(var peer) = peers[index] {
                peer["vtepMAC"] = "02:00:00:00:00:77"
                peers[index] = .object(peer)
            }
        }
        let sign = "peers[2].vtepMAC: 02:00:00:00:00:77 is that of " + (first == 0 ? "this host" : "peers[1]")
        try host.call("ADD", .routed(["peers": .array(peers)]), container).failed(7, sign)
    }

    @Test func aFileOfAHostThatLeadsNowhereIsRefused() throws {
        let directory = try TemporaryDirectory()
        let own = String(decoding: OverlayNetwork.peer(1).serialize(), as: UTF8.self)
        try directory.write(own, to: "1.json")
        try FileManager.default.createSymbolicLink(
            atPath: directory.path("2.json"),
            withDestinationPath: directory.path("gone")
        )
        let network = OverlayNetwork.routed(["peers": nil, "peersDir": .string(directory.path)])
        try host.call("ADD", network, container).failed(7, "2.json", "leads nowhere")
    }

    @Test func aNumberInUseIsNamedWithItsUser() throws {
        try host.run("ip link add flannel.1 type vxlan id 1 dstport 8472 dev eth0")
        try host.call("ADD", .routed(), container).failed(
            102,
            "VNI 1 on UDP port 8472 is in use by flannel.1",
            "vni or port"
        )
        #expect(try host.run("ip -o link show").split(separator: "\n").count == 4)
        try host.call("STATUS", .routed()).failed(50, "flannel.1", "vni or port")
        try host.call("STATUS", .routed(["vni": 2])).succeeded()
        try host.add(.routed(["vni": 2]), container)
        try host.call("STATUS", .routed(["vni": 2])).succeeded()
        // The two versions of IP have ports of their own.
        try host.call("STATUS", .bridged(over: "fd09::", ["name": "other", "vni": 1, "device": "vxlan6"])).succeeded()
    }

    @Test func aPortInUseIsNamedWithTheWayOut() throws {
        try host.run("ip link add cilium type vxlan external dstport 8472")
        try host.run("ip link set cilium up")
        let before = try host.state()
        try host.call("ADD", .routed(), container).failed(102, "UDP port 8472 is in use", "choose another port")
        let difference = try host.state().difference(from: before)
        #expect(difference.isEmpty, "\(difference)")
        try host.add(.routed(["port": 4789]), container)
    }

    @Test func anInterfaceOfSomebodyElsesIsLeftAlone() throws {
        try host.run("ip link add vxlan.1 type vxlan id 9 dstport 8472 dev eth0")
        try host.call("STATUS", .routed()).failed(50, "interface vxlan.1 already exists", "device")
        try host.call("ADD", .routed(), container).failed(102, "interface vxlan.1 already exists", "device")
        try host.call("DEL", .routed(["teardown": "auto"]), container).succeeded()
        #expect(try host.run("ip -d link show vxlan.1").contains("vxlan id 9"))
        try host.add(.routed(["device": "overlay0"]), container)
    }

    @Test func aRouteOfSomebodyElsesIsNotReplaced() throws {
        try host.run("ip route add 10.5.2.0/24 via 192.168.9.77 dev eth0")
        let before = try host.state()
        try host.call("ADD", .routed(), container).failed(100, "set the route to 10.5.2.0/24", "EEXIST")
        #expect(try host.state() == before)
    }

    @Test func aTunnelOfAnotherNetworkIsNotTaken() throws {
        try host.add(.routed(), container)
        let other = OverlayNetwork.routed(["name": "other", "bridge": "br9"])
        try host.call("ADD", other, try ContainerNamespace(), id: "c2").failed(102, "cni-overlay:overlay")
        #expect(try host.reconcile(.routed()) == "vxlan.1: all is as it is to be\n")
    }
}
