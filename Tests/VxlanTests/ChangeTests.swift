// SPDX-License-Identifier: Apache-2.0

import Foundation
import JSON
import Linux
import Support
import Testing

/// What an operator changes between two calls, and what others do at the same time.
@Suite("vxlan: changes", .ownNetworkNamespace)
struct ChangeTests {
    private let cluster: Cluster
    private var host: TestHost { cluster.hosts[0] }
    private var container: ContainerNamespace { cluster.containers[0] }

    init() throws { cluster = try Cluster() }

    private func links() throws -> String { try host.run("ip -o link show") }

    @Test func aHostThatIsListedWithTwoAddressesSendsNothingToItself() throws {
        try host.run("ip address add 192.168.9.50/24 dev eth0")
        let peers: [JSON] = [
            ["publicIP": "192.168.9.1", "subnet": "10.6.1.0/24"], ["publicIP": "192.168.9.50"],
            ["publicIP": "192.168.9.2", "subnet": "10.6.2.0/24"],
        ]
        let network = OverlayNetwork.bridged(["peers": .array(peers), "network": "10.6.0.0/16"])
        let second = try ContainerNamespace()
        try host.add(network, container)
        try host.add(network, second, id: "c2")
        try cluster.hosts[1].add(network, cluster.containers[1])
        for (address, space) in [("10.6.1.3", second), ("10.6.2.2", cluster.containers[1])] {
            let conversation = try Conversation(from: container, to: address, in: space)
            #expect(conversation?.goesOn() == true, "\(address)")
        }
        let forwarding = try host.run("bridge fdb show dev vxlan.42")
        #expect(!forwarding.contains("192.168.9.1 ") && !forwarding.contains("192.168.9.50"), "\(forwarding)")
    }

    @Test(arguments: [["bridge": "br9"], ["vni": 2]] as [[String: JSON]])
    func aBridgeOfBeforeIsNamedAndGoesWithItsContainers(change: [String: JSON]) throws {
        var network = OverlayNetwork.routed()
        for (key, value) in change { network = network.with([key: value]) }
        try host.add(.routed(), container)
        let second = try ContainerNamespace()
        let before = try host.state()
        try host.call("ADD", network, second, id: "c2").failed(102, "cni-vx1", "containers")
        let difference = try host.state().difference(from: before)
        #expect(difference.isEmpty, "\(difference)")
        try host.call("DEL", network, container).succeeded()
        try host.add(network, second, id: "c2")
        #expect(try !links().contains("cni-vx1"))
        #expect(try Conversation(from: second, to: "10.5.1.1", in: host.space)?.goesOn() == true)
    }

    @Test(arguments: ["10.5.0.0/23", "10.5.1.0/25"]) func aSubnetThatBecameAnotherOneIsUsed(subnet: String) throws {
        try host.add(.routed(), container)
        try host.call("DEL", .routed(), container).succeeded()
        let peers: [JSON] = [["publicIP": "192.168.9.1", "subnet": .string(subnet)], OverlayNetwork.peer(2)]
        try host.add(.routed(["peers": .array(peers)]), container)
        let addresses = try host.run("ip -o -4 address show dev cni-vx1")
        #expect(addresses.contains("/\(subnet.suffix(2)) "), "\(addresses)")
        #expect(addresses.split(separator: "\n").count == 1, "\(addresses)")
    }

    @Test func aRoutedNetworkBecomesAStretchedOne() throws {
        try host.add(.routed(), container)
        try host.call("DEL", .routed(), container).succeeded()
        let bridged = OverlayNetwork.bridged(["vni": 1, "isGateway": true])
        try host.add(bridged, container)
        #expect(try host.run("ip -o -4 address show dev cni-vx1").contains("10.6.1.1/16 "))
        #expect(try host.run("ip route show proto 92") == "")
        #expect(try host.run("ip -o link show master cni-vx1").contains("vxlan.1"))
    }

    @Test func aNetworkInsideAnotherKeepsItsWays() throws {
        let narrow = OverlayNetwork.routed(["name": "narrow", "vni": 2])
        let wide = OverlayNetwork.routed([
            "network": "10.0.0.0/8",
            "peers": [
                ["publicIP": "192.168.9.1", "subnet": "10.200.1.0/24"],
                ["publicIP": "192.168.9.2", "subnet": "10.200.2.0/24"],
            ],
        ])
        try host.add(narrow, container)
        let before = try host.run("ip route show dev vxlan.2")
        #expect(before.contains("10.5.2.0/24"))
        try host.add(wide, ContainerNamespace(), id: "c2")
        #expect(try host.run("ip route show dev vxlan.2") == before)
        #expect(try host.reconcile(narrow) == "vxlan.2: all is as it is to be\n")
        #expect(try host.reconcile(wide) == "vxlan.1: all is as it is to be\n")
    }

    @Test func whatAControlPlaneGetsHasNoEntriesOfTheList() throws {
        try host.add(.bridged(), container)
        #expect(try host.run("bridge fdb show dev vxlan.42").contains("192.168.9.2"))
        let external = OverlayNetwork.bridged(["controlPlane": "external"])
        #expect(try host.reconcile(external) != "vxlan.42: all is as it is to be\n")
        #expect(try !host.run("bridge fdb show dev vxlan.42").contains("192.168.9."))
        #expect(try host.reconcile(external) == "vxlan.42: all is as it is to be\n")
    }

    @Test func aTunnelWhoseBridgeIsMissingIsMadeOnce() throws {
        #expect(try host.reconcile(.bridged()) != "vxlan.42: all is as it is to be\n")
        #expect(try host.reconcile(.bridged()) == "vxlan.42: all is as it is to be\n")
        try host.add(.bridged(), container)
        #expect(try host.run("ip -o link show master cni-vx42").contains("vxlan.42"))
    }

    @Test func aSettingThatIsTakenAwayIsTheKernelsAgain() throws {
        let network = OverlayNetwork.routed()
        try host.reconcile(network.with(["ttl": 7]))
        #expect(try host.run("ip -d link show vxlan.1").contains("ttl 7 "))
        try host.reconcile(network)
        #expect(try host.run("ip -d link show vxlan.1").contains("ttl auto "))
        #expect(try host.reconcile(network) == "vxlan.1: all is as it is to be\n")
    }

    @Test func theFirstAddressOfAHostIsItsPlace() throws {
        let peers: [JSON] = (1...2).map { number in
            [
                "publicIP": .string("192.168.9.\(number)"), "publicIPv6": .string("fd09::\(number)"),
                "subnet": .string("10.5.\(number).0/24"),
            ]
        }
        let network = OverlayNetwork.routed(["peers": .array(peers)])
        try host.run("ip address delete 192.168.9.1/24 dev eth0")
        try host.call("ADD", network, container).failed(11, "192.168.9.1", "local")
        try host.call("STATUS", network).failed(50, "192.168.9.1")
        try host.run("ip address add 192.168.9.1/24 dev eth0")
        try host.add(network, container)
        #expect(try host.run("ip -d link show vxlan.1").contains("local 192.168.9.1 "))
    }

    @Test func aHostWithoutIPv6ForNewInterfacesTakesPart() throws {
        try host.run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1")
        try host.add(.routed(), container)
        #expect(try host.run("ip -6 route show proto 92").contains("fd05:0:0:2::/64"))
    }

    @Test func oneRouteOfSomebodyElsesCostsTheOthersNothing() throws {
        let peers: [JSON] = (1...200).map { number in
            ["publicIP": .string("192.168.9.\(number)"), "subnet": .string("10.5.\(number).0/24")]
        }
        try host.run("ip route add 10.5.7.0/24 via 192.168.9.77 dev eth0")
        let network = OverlayNetwork.routed(["peers": .array(peers)])
        try host.call("ADD", network, container).failed(100, "10.5.7.0/24", "EEXIST")
        // What was made for this ADD went with it; whoever comes by hand leaves what works.
        #expect(try host.reconciling(network).exitCode == 1)
        #expect(try host.run("ip route show proto 92").split(separator: "\n").count == 198)
    }

    @Test func whoIsSlowUndoesNothingOfWhoWasQuicker() throws {
        let directory = try TemporaryDirectory()
        for number in 1...2 {
            try directory.write(
                String(decoding: OverlayNetwork.peer(number).serialize(), as: UTF8.self),
                to: "\(number).json"
            )
        }
        let network = OverlayNetwork.routed(["peers": nil, "peersDir": .string(directory.path)])
        try host.reconcile(network)
        // ADD has read the list and waits for the lock when the list becomes another one.
        let lock = try host.space.perform { () throws(SpawnFailure) in
            try SpawnFailure.attempt("lock the namespace") { () throws(Errno) in
                try NetworkNamespace.current().lock(shared: false, limitMilliseconds: 1000)
            }
        }
        let slow = try host.space.inside { try host.process("ADD", network, container).start() }
        #expect(eventually { LockWaiters.contain(" \(slow.process) ") })
        slow.send(SIGSTOP)
        #expect(eventually { Self.state(slow.process) == "T" })
        Self.give(back: lock)
        try directory.write(String(decoding: OverlayNetwork.peer(3).serialize(), as: UTF8.self), to: "3.json")
        #expect(try host.reconcile(network) != "vxlan.1: all is as it is to be\n")
        slow.send(SIGCONT)
        let outcome = try slow.finish()
        #expect(outcome.exitCode == 0, "\(outcome.stdoutText)")
        #expect(try host.run("ip route show proto 92").contains("10.5.3.0/24"))
    }

    private static func give(back lock: consuming FileLock) { _ = consume lock }

    private static func state(_ process: CInt) -> Substring? {
        let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
        return text?.split(separator: " ").dropFirst(2).first
    }

    @Test func theTunnelStaysAsLongAsTheNetworkHasContainers() throws {
        let network = OverlayNetwork.routed(["teardown": "auto", "bridge": "br-a"])
        let renamed = network.with(["bridge": "br-b"])
        let second = try ContainerNamespace()
        try host.add(network, container)
        try host.add(network, second, id: "c2")
        try host.call("DEL", renamed, container).succeeded()
        #expect(try links().contains("vxlan.1"))
        try host.call("DEL", renamed, second, id: "c2").succeeded()
        for name in ["vxlan.1", "br-a"] { #expect(try !links().contains(name), "\(name)") }
    }

    @Test func portsOfTheOperatorKeepNoTunnel() throws {
        try host.run("ip link add br0 address 02:00:00:00:00:99 type bridge")
        try host.run("ip link add tap0 master br0 type veth peer name tap1")
        let network = OverlayNetwork.routed(["teardown": "auto", "bridge": "br0"])
        try host.add(network, container)
        try host.call("DEL", network, container).succeeded()
        #expect(try !links().contains("vxlan.1") && links().contains("br0"))
        #expect(try host.run("ip route show proto 92") == "")
    }

    @Test(arguments: [("10.5.0.0/16", "10.5"), ("fd05::/48", "fd05:0:0:")])
    func aSubnetThatIsAnotherHostsIsNoSilentHole(network: String, front: String) throws {
        func subnet(_ number: Int) -> JSON {
            .string(network.hasPrefix("fd") ? "\(front)\(number)::/64" : "\(front).\(number).0/24")
        }
        func overlay(_ numbers: [Int]) -> OverlayNetwork {
            let peers: [JSON] = numbers.enumerated().map { index, number in
                ["publicIP": .string("192.168.9.\(index + 1)"), "subnet": subnet(number)]
            }
            return .routed(["network": .string(network), "peers": .array(peers)])
        }
        let result = try host.add(overlay([1, 2, 3]), container)
        // The second host has it now, and the first one another one, in which nobody is yet.
        let after = overlay([7, 1, 8])
        try host.call("CHECK", after.with(["prevResult": result]), container).failed(105, "another host's")
        let outcome = try host.reconciling(after)
        #expect(outcome.exitCode == 1 && outcome.stderrText.contains("subnet"), "\(outcome)")
        // Whoever has nothing to do with it is reached.
        let others = try host.run("ip \(network.hasPrefix("fd") ? "-6" : "-4") route show proto 92")
        #expect(others.contains("\(front)\(network.hasPrefix("fd") ? "8::/64" : ".8.0/24")"), "\(others)")
        let second = try ContainerNamespace()
        let before = try host.state()
        let answer = try host.call("ADD", after, second, id: "c2")
        #expect(!answer.isSuccess && answer.description.contains("subnet"), "\(answer)")
        let difference = try host.state().difference(from: before)
        #expect(difference.isEmpty, "\(difference)")
        try host.call("DEL", after, container).succeeded()
        try host.add(after, second, id: "c2")
        try host.call("STATUS", after).succeeded()
    }

    @Test func aBridgeOfBeforeIsKeptForThePortsOfOthers() throws {
        try host.add(.routed(), container)
        try host.call("DEL", .routed(), container).succeeded()
        try host.run("ip link add tap0 master cni-vx1 type veth peer name tap1")
        let before = try host.state()
        let renamed = OverlayNetwork.routed(["bridge": "br9"])
        try host.call("ADD", renamed, container).failed(102, "cni-vx1", "ports of others")
        let difference = try host.state().difference(from: before)
        #expect(difference.isEmpty, "\(difference)")
        try host.run("ip link delete tap0")
        try host.add(renamed, container)
        #expect(try !links().contains("cni-vx1"))
    }

    @Test func anAddressThatIsReplacedSoonIsNobodysPlace() throws {
        // As a host with privacy extensions has them: the temporary one is listed first.
        let flags = "nodad scope global"
        try host.run("ip address flush dev eth0 scope global")
        try host.run("ip address add fd09::1/64 dev eth0 \(flags)")
        try host.run("ip address add fd09::beef/64 dev eth0 \(flags) preferred_lft 0")
        try host.run("ip address add fd09::1:1/64 dev eth0 \(flags) preferred_lft 0")
        let peers = [OverlayNetwork.peer(2, over: "fd09::")]
        let network = OverlayNetwork.routed([
            "master": "eth0", "subnet": "10.5.1.0/24,fd05:0:0:1::/64", "peers": .array(peers),
        ])
        try host.add(network, container)
        #expect(try host.run("ip -d link show vxlan.1").contains("local fd09::1 "))
    }

    @Test func aHostOfOneVersionOfIPHasNoRouteOfTheOther() throws {
        let peers: [JSON] = (1...2).map { number in
            ["publicIP": .string("192.168.9.\(number)"), "subnet": .string("10.5.\(number).0/24")]
        }
        let network = OverlayNetwork.routed(["isDefaultGateway": false, "peers": .array(peers)])
        try TestHost.run(
            "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1",
            in: container
        )
        try host.add(network, container)
        #expect(try TestHost.run("ip route", in: container).contains("10.5.0.0/16 via 10.5.1.1"))
    }

    /// As after a network that was replaced: the host's own subnet is on another bridge as well.
    @Test(arguments: [true, false]) func anotherInterfaceWithTheSubnetIsNamed(isBridged: Bool) throws {
        let network = isBridged ? OverlayNetwork.bridged() : .routed()
        try host.run("ip link add cni0 type bridge")
        try host.run("ip link set cni0 addrgenmode none up")
        try host.run("ip address add \(isBridged ? "10.6.1.1/16" : "10.5.1.1/24") dev cni0")
        let before = try host.state()
        try host.call("STATUS", network).failed(50, "cni0", "own subnet")
        try host.call("ADD", network, container).failed(102, "cni0", "own subnet", "remove the address")
        let difference = try host.state().difference(from: before)
        #expect(difference.isEmpty, "\(difference)")
        // Who uses the tunnel without the plugin has the subnet where it is.
        try host.reconcile(network)
        // An address without a network takes nothing.
        try host.run("ip address flush dev cni0")
        try host.run("ip address add \(isBridged ? "10.6.1.99/32" : "10.5.1.99/32") dev cni0")
        let result = try host.add(network, container)
        try host.run("ip address add \(isBridged ? "10.6.1.1/16" : "10.5.1.1/24") dev cni0")
        try host.call("CHECK", network.with(["prevResult": result]), container).failed(
            105,
            "cni0",
            "remove the address"
        )
    }
}
