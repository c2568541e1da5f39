// SPDX-License-Identifier: Apache-2.0

import JSON
import Support
import Testing

/// What somebody breaks under living containers: that CHECK says it, and what brings it back.
@Suite("vxlan: damage", .ownNetworkNamespace)
struct DamageTests {
    private let cluster: Cluster
    private var host: TestHost { cluster.hosts[0] }
    private var container: ContainerNamespace { cluster.containers[0] }

    init() throws { cluster = try Cluster() }

    private func talks(_ address: String, _ to: Int = 1) throws -> Bool {
        try Conversation(from: container, to: address, in: cluster.containers[to])?.goesOn() ?? false
    }

    /// Breaks something, and expects that CHECK says a text of it and that the network is made whole by hand.
    private func expectRepaired(
        _ network: OverlayNetwork,
        says text: String,
        _ lines: String...,
        isExact: Bool = true,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let result = try host.add(network, container)
        try cluster.hosts[1].add(network, cluster.containers[1])
        let check = network.with(["prevResult": result])
        try host.call("CHECK", check, container).succeeded(sourceLocation: sourceLocation)
        let before = try host.state()
        for line in lines { try host.run(line, sourceLocation: sourceLocation) }
        let answer = try host.call("CHECK", check, container)
        answer.failed(105, text, sourceLocation: sourceLocation)
        let said = try host.reconcile(network, sourceLocation: sourceLocation)
        #expect(said.contains(" changes"), "\(said)", sourceLocation: sourceLocation)
        try host.call("CHECK", check, container).succeeded(sourceLocation: sourceLocation)
        // The kernel lists routes of groups in the order in which interfaces went up.
        if !isExact { return }
        var difference = ""
        _ = try eventually {
            difference = try host.state().difference(from: before).description
            return difference.isEmpty
        }
        #expect(difference == "", sourceLocation: sourceLocation)
    }

    @Test(arguments: ["ip link set cni-vx1 down", "ip address flush dev cni-vx1 scope global"])
    func theGateway(line: String) throws {
        let network = OverlayNetwork.routed()
        try expectRepaired(network, says: "cni-vx1", line, isExact: !line.hasSuffix("down"))
        for address in ["10.5.2.2", "fd05:0:0:2::2"] { #expect(try talks(address), "\(address)") }
        // Where containers have a gateway of the configuration's own, only ADD knows it.
        let range: JSON = ["subnet": "10.5.1.0/24", "gateway": "10.5.1.254"]
        let ranges = network.with(["ipam": ["type": "host-local", "ranges": [[range]]]])
        try host.run(line)
        #expect(try !host.reconcile(ranges).contains("changes"))
    }

    @Test func aFloodThatLeadsElsewhere() throws {
        try expectRepaired(
            .bridged(),
            says: "unknown addresses",
            "bridge fdb append 00:00:00:00:00:00 dev vxlan.42 dst 192.168.9.2 port 1234 self permanent",
            "bridge fdb delete 00:00:00:00:00:00 dev vxlan.42 dst 192.168.9.2 self permanent"
        )
        #expect(try talks("10.6.2.2"))
    }

    @Test func aTunnelThatSomebodyMadeAPort() throws {
        let lines = ("ip link add br9 type bridge", "ip link set vxlan.1 master br9")
        try expectRepaired(.routed(), says: "its mode is another one", lines.0, lines.1, isExact: false)
        #expect(try talks("10.5.2.2"))
    }

    @Test(arguments: ["ip address add 10.99.0.1/24 dev vxlan.42", "ip link set vxlan.42 nomaster"])
    func aPortThatSomebodyChanged(line: String) throws {
        try expectRepaired(.bridged(), says: "vxlan.42", line, isExact: false)
        #expect(try talks("10.6.2.2"))
    }

    @Test func aRouteThatOnlyRefusesIsNobodysWay() throws {
        try cluster.attachAll(.routed())
        try host.run("ip route add blackhole 10.5.200.0/24 proto 92")
        #expect(try host.reconcile(.routed()) == "vxlan.1: all is as it is to be\n")
        #expect(try host.run("ip route show 10.5.200.0/24").contains("blackhole"))
    }

    @Test(arguments: [OverlayNetwork.routed(), .bridged()])
    func theContainersOwnInterface(network: OverlayNetwork) throws {
        let result = try host.add(network, container)
        try TestHost.run("ip link set eth0 down", in: container)
        try host.call("CHECK", network.with(["prevResult": result]), container).failed(105, "eth0 is down")
    }

    @Test func aTunnelThatGoesWithItsLastContainer() throws {
        let network = OverlayNetwork.routed(["teardown": "auto"])
        #expect(try host.reconcile(network) == "vxlan.1: not in use\n")
        try host.add(network, container)
        try cluster.hosts[1].add(network, cluster.containers[1])
        try host.run("ip link delete vxlan.1")
        try host.reconcile(network)
        #expect(try talks("10.5.2.2"))
        // Nor does another name cut off who is there.
        try host.reconcile(network.with(["device": "overlay0"]))
        #expect(try host.run("ip -o link show type vxlan").contains("overlay0"))
        #expect(try talks("10.5.2.2"))
        try host.call("DEL", network, container).succeeded()
        #expect(try host.reconcile(network) == "vxlan.1: not in use\n")
        #expect(try host.run("ip -o link show type vxlan") == "")
    }

    @Test(arguments: [true, false]) func anotherModeWaitsForTheContainers(isBridged: Bool) throws {
        let (before, after) =
            isBridged
            ? (OverlayNetwork.bridged(), OverlayNetwork.routed(["vni": 42]))
            : (OverlayNetwork.routed(), OverlayNetwork.bridged(["vni": 1]))
        let result = try host.add(before, container)
        try cluster.hosts[1].add(before, cluster.containers[1])
        let established = try #require(
            try Conversation(from: container, to: isBridged ? "10.6.2.2" : "10.5.2.2", in: cluster.containers[1])
        )
        let second = try ContainerNamespace()
        let state = try host.state()
        try host.call("ADD", after, second, id: "c2").failed(102, "mode", "containers")
        let outcome = try host.reconciling(after)
        #expect(outcome.exitCode == 1 && outcome.stderrText.contains("mode"), "\(outcome)")
        let difference = try host.state().difference(from: state)
        #expect(difference.isEmpty, "\(difference)")
        #expect(established.goesOn())
        try host.call("CHECK", before.with(["prevResult": result]), container).succeeded()
        try host.call("DEL", after, container).succeeded()
        try host.add(after, second, id: "c2")
        try host.call("STATUS", after).succeeded()
    }

    @Test func anAddressThatIsUsedAgainIsReachedAtOnce() throws {
        let range: JSON = ["subnet": "10.6.0.0/16", "rangeStart": "10.6.2.9", "rangeEnd": "10.6.2.9"]
        let network = OverlayNetwork.bridged(["neighSuppress": true])
        try host.add(network, container)
        let other = network.with(["ipam": ["type": "host-local", "ranges": [[range]]]])
        let (neighbour, first) = (cluster.hosts[1], cluster.containers[1])
        try neighbour.add(other, first)
        #expect(try talks("10.6.2.9"))
        try neighbour.call("DEL", other, first).succeeded()
        let next = try ContainerNamespace()
        try neighbour.add(other, next, id: "c2")
        #expect(try Conversation(from: container, to: "10.6.2.9", in: next)?.goesOn() == true)
        // What is asked for counts all the same.
        try neighbour.call("DEL", other, next, id: "c2").succeeded()
        let answer = try neighbour.call(
            "ADD",
            other,
            next,
            id: "c3",
            ["CNI_ARGS": "IgnoreUnknown=1;MAC=02:00:00:00:00:77"]
        )
        let interfaces = answer.succeeded()["interfaces"]?.list ?? []
        #expect(interfaces.contains { $0["mac"]?.text == "02:00:00:00:00:77" }, "\(answer)")
        #expect(try TestHost.run("ip link show eth0", in: next).contains("02:00:00:00:00:77"))
    }

    @Test(arguments: ["state 0", "hairpin on"]) func aPortThatDoesNotForwardAsItIsTo(
        setting: String
    ) throws {
        try expectRepaired(.bridged(), says: "port of the bridge", "bridge link set dev vxlan.42 \(setting)")
        #expect(try talks("10.6.2.2"))
    }
}
