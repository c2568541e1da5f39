// SPDX-License-Identifier: Apache-2.0

import JSON
import Support
import Testing

/// What is made, what goes, and what stays.
@Suite("vxlan: lifecycle", .ownNetworkNamespace)
struct LifecycleTests {
    private let host: TestHost
    private let container: ContainerNamespace

    init() throws {
        host = try TestHost(1)
        container = try ContainerNamespace()
        try host.run("ip link add eth0 type veth peer name wire")
        try host.run("ip link set lo up")
        for name in ["eth0", "wire"] { try host.run("ip link set \(name) addrgenmode none up") }
        try host.run("ip address add 192.168.9.1/24 dev eth0")
        try host.run("ip address add fd09::1/64 dev eth0 nodad")
    }

    private static let variants: [String: OverlayNetwork] = [
        "routed": .routed(), "routed over IPv6": .routed(over: "fd09::"), "bridged": .bridged(),
        "direct": .routed(["directRouting": true]), "auto": .routed(["teardown": "auto"]),
        "bridged auto": .bridged(["teardown": "auto", "isGateway": true]),
        "masquerading": .routed(["ipMasq": true]), "masquerading auto": .routed(["ipMasq": true, "teardown": "auto"]),
    ]

    private func state() throws -> String {
        // What iproute2 says of the forwarding tables is not part of a host's state elsewhere.
        try "\(host.state())\n\(HostState(of: container))\n\(host.run("bridge fdb show"))\n\(host.leases())"
    }

    /// Waits until the state is another one, for the kernel goes on by itself for a while.
    private func expectUnchanged(
        since before: String,
        _ comment: Comment? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        var after = before
        _ = try eventually {
            after = try state()
            return after == before
        }
        let difference = UnifiedDiff(before, after).description
        #expect(difference == "", comment, sourceLocation: sourceLocation)
    }

    private func failAfterEachStep(_ network: OverlayNetwork, least: Int) throws {
        let before = try state()
        for step in 1...40 {
            let answer = try host.call("ADD", network, container, id: "c9", ["CNI_FAIL_AFTER_STEP": "\(step)"])
            if answer.isSuccess {
                #expect(step > least, "only \(step - 1) steps can be undone")
                try host.call("DEL", network, container, id: "c9").succeeded()
                return
            }
            answer.failed(11, "step \(step)")
            try expectUnchanged(since: before, "step \(step)")
        }
        Issue.record("ADD never succeeds")
    }

    @Test(arguments: variants.keys.sorted()) func aFailureLeavesAnUntouchedHostUntouched(variant: String) throws {
        try failAfterEachStep(try #require(Self.variants[variant]), least: variant.hasPrefix("bridged") ? 4 : 6)
    }

    @Test(arguments: variants.keys.sorted()) func aFailureLeavesAHostInUseAsItIs(variant: String) throws {
        let network = try #require(Self.variants[variant])
        let neighbour = try ContainerNamespace()
        try host.add(network, neighbour)
        try failAfterEachStep(network, least: 2)
        try host.call(
            "CHECK",
            network.with(["prevResult": try host.add(network, container, id: "c2")]),
            container,
            id: "c2"
        )
        .succeeded()
    }

    @Test(arguments: 2...8) func aFailureLeavesTheTunnelThatAnotherOneCameToUse(step: Int) throws {
        let network = OverlayNetwork.routed(["teardown": "auto"])
        let other = try ContainerNamespace()
        let failing = ["CNI_FAIL_AFTER_STEP": "\(step)"]
        let processes = try [(container, "c1", failing), (other, "c2", [:])].map { container, id, variables in
            try host.space.inside { try host.process("ADD", network, container, id: id, variables).start() }
        }
        let outcomes = try processes.map { try $0.finish() }
        #expect(outcomes[1].exitCode == 0, "\(outcomes[1].stdoutText)")
        #expect(try host.reconcile(network) == "vxlan.1: all is as it is to be\n")
        #expect(try host.run("ip route").contains("10.5.1.0/24 dev cni-vx1"))
        #expect(try host.leases().count == (outcomes[0].exitCode == 0 ? 4 : 2))
    }

    @Test(arguments: variants.keys.sorted()) func deleteMayComeTwiceAndWithoutANamespace(variant: String) throws {
        let network = try #require(Self.variants[variant])
        try host.call("DEL", network, container).succeeded()
        try host.add(network, container)
        #expect(try host.leases().count == 2)
        try host.call("DEL", network, nil).succeeded()
        #expect(try host.leases() == [])
        #expect(try !host.run("ip -o link show").contains(" veth"))
        try host.call("DEL", network, container).succeeded()
    }

    @Test func deleteWorksWhereTheHostDoesNotFindItself() throws {
        try host.add(.routed(["teardown": "auto", "directRouting": true]), container)
        try host.run("ip address flush dev eth0")
        let lost = OverlayNetwork.routed([
            "teardown": "auto", "directRouting": true, "peers": [], "peersDir": "/nowhere", "master": "gone0",
        ])
        try host.call("DEL", lost, container).succeeded()
        #expect(try host.leases() == [])
        let links = try host.run("ip -o link show")
        for name in ["vxlan.1", "cni-vx1", " veth"] { #expect(!links.contains(name)) }
        #expect(try host.run("ip route show proto 92") == "")
    }

    @Test(arguments: ["auto", "bridged auto", "masquerading auto"]) func theLastOneTakesEverythingAlong(
        variant: String
    ) throws {
        let network = try #require(Self.variants[variant])
        let other = try ContainerNamespace()
        try host.run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
        let before = try state()
        try host.add(network, container)
        try host.add(network, other, id: "c2")
        try host.call("DEL", network, container).succeeded()
        #expect(try host.run("ip -o link show type vxlan") != "")
        try host.call("DEL", network, other, id: "c2").succeeded()
        try expectUnchanged(since: before)
    }

    @Test func withoutTeardownTheTunnelStays() throws {
        try host.add(.routed(), container)
        try host.call("DEL", .routed(), container).succeeded()
        #expect(try host.reconcile(.routed()) == "vxlan.1: all is as it is to be\n")
    }

    @Test func aBridgeOfTheOperatorStays() throws {
        try host.run("ip link add br0 address 02:00:00:00:00:99 type bridge")
        try host.run("ip link set br0 up")
        let network = OverlayNetwork.bridged(["teardown": "auto", "bridge": "br0"])
        try host.add(network, container)
        #expect(try host.run("ip -o link show master br0").contains("vxlan.42"))
        try host.call("DEL", network, container).succeeded()
        let links = try host.run("ip -o link show")
        #expect(links.contains("br0") && !links.contains("vxlan.42"))
    }

    @Test(arguments: ["auto", "never"]) func garbageGoes(teardown: String) throws {
        let network = OverlayNetwork.routed(["teardown": .string(teardown)])
        let other = try ContainerNamespace()
        try host.add(network, container)
        try host.add(network, other, id: "c2")
        let kept: JSON = [["containerID": "c2", "ifname": "eth0"]]
        try host.call("GC", network.with(["cni.dev/valid-attachments": kept])).succeeded()
        #expect(try host.leases().count == 2)
        #expect(try host.run("ip -o link show master cni-vx1").split(separator: "\n").count == 1)
        try host.call("GC", network.with(["cni.dev/valid-attachments": []])).succeeded()
        #expect(try host.leases() == [])
        #expect(try host.run("ip -o link show type vxlan").isEmpty == (teardown == "auto"))
        #expect(try host.run("ip -o link show type bridge").isEmpty == (teardown == "auto"))
    }

    @Test func manyAtOnceMakeOneTunnel() throws {
        let network = OverlayNetwork.routed(["teardown": "auto"])
        let containers = try (0..<20).map { _ in try ContainerNamespace() }
        for command in ["ADD", "DEL"] {
            let processes = try containers.enumerated().map { index, container in
                try host.space.inside { try host.process(command, network, container, id: "c\(index)").start() }
            }
            for process in processes {
                let outcome = try process.finish()
                #expect(outcome.exitCode == 0, "\(outcome.stdoutText)")
            }
            if command == "ADD" { #expect(try host.leases().count == 40) }
        }
        #expect(try host.leases() == [])
        #expect(try host.run("ip -o link show type vxlan") == "")
        #expect(try host.run("ip -o link show type bridge") == "")
    }

    @Test func checkFindsWhatIsMissingOfTheAttachment() throws {
        let network = OverlayNetwork.routed().with(["prevResult": try host.add(.routed(), container)])
        try host.call("CHECK", network, container).succeeded()
        try TestHost.run("ip address delete 10.5.1.2/24 dev eth0", in: container)
        try host.call("CHECK", network, container).failed(105, "10.5.1.2")
        try host.call("CHECK", .routed(), container).failed(7, "prevResult")
    }

    @Test func statusSaysWhatIsMissing() throws {
        try host.call("STATUS", .routed()).succeeded()
        #expect(try host.run("ip -o link show type vxlan") == "")
        try host.call("STATUS", .routed(["master": "gone0"])).failed(50, "gone0", "master")
        try host.call("STATUS", .routed(["local": "192.168.9.77"])).failed(50, "192.168.9.77", "local")
        try host.call("ADD", .routed(["master": "gone0"]), container).failed(11, "gone0", "master")
        try host.run("ip link set eth0 down")
        try host.call("STATUS", .routed()).failed(50, "eth0 is down")
        try host.run("ip address flush dev eth0")
        try host.call("STATUS", .routed()).failed(50, "does not find itself", "publicIP")
    }

    @Test(arguments: ["DEL", "GC"]) func whatAHostHasOnlyByTheListIsGivenBack(command: String) throws {
        let peers: JSON = [["publicIP": "192.168.9.1", "subnet": "10.6.1.0/24"]]
        let network = OverlayNetwork.bridged(["network": nil, "peers": peers])
        try host.add(network, container)
        #expect(try host.leases() == ["10.6.1.2"])
        try host.call(command, network.with(["cni.dev/valid-attachments": []]), container).succeeded()
        #expect(try host.leases() == [])
    }

    @Test func teardownFindsWhatLeadsPastAMissingTunnel() throws {
        let before = try state()
        let network = OverlayNetwork.routed(["teardown": "auto", "directRouting": true])
        try host.add(network, container)
        #expect(try host.run("ip route show proto 92").contains("via 192.168.9.2 dev eth0"))
        try host.run("ip link delete vxlan.1")
        try host.call("DEL", network, container).succeeded()
        try host.run("sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0")
        try expectUnchanged(since: before)
    }

    @Test(arguments: [true, false]) func theOperatorsBridgeForgetsTheContainersOfOthers(isFailing: Bool) throws {
        try host.run("ip link add br0 address 02:00:00:00:00:99 type bridge")
        try host.run("ip link set br0 addrgenmode none up")
        let endpoint: JSON = ["address": "10.6.2.9", "mac": "02:00:00:00:02:09"]
        let peers: [JSON] = [
            ["publicIP": "192.168.9.1", "subnet": "10.6.1.0/24"],
            ["publicIP": "192.168.9.2", "subnet": "10.6.2.0/24", "endpoints": [endpoint]],
        ]
        let network = OverlayNetwork.bridged(["teardown": "auto", "bridge": "br0", "peers": .array(peers)])
        let before = try host.run("ip neigh show dev br0 nud permanent")
        let failure = isFailing ? ["CNI_FAIL_AFTER_STEP": "3"] : [:]
        #expect(try host.call("ADD", network, container, failure).isSuccess == !isFailing)
        if !isFailing {
            #expect(try host.run("ip neigh show dev br0 nud permanent").contains("10.6.2.9"))
            try host.call("DEL", network, container).succeeded()
        }
        #expect(try host.run("ip neigh show dev br0 nud permanent") == before)
    }
}
