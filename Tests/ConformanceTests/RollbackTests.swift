// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

/// A failed ADD leaves host, container and address store as they were: rules A-6 and I-5.
@Suite("Rollback", .privateHost)
struct RollbackTests {
    private let host: Host
    private let container: ContainerNamespace

    init() throws {
        host = try Host()
        container = try ContainerNamespace()
    }

    /// Configurations that take different steps.
    private static let variants: [String: [String: Value?]] = [
        "plain": ["ipam": nil], "addresses": ["isDefaultGateway": false], "gateway": [:],
        "everything": [
            "hairpinMode": true, "portIsolation": true, "mtu": 1400, "enabledad": true, "forceAddress": true,
            "runtimeConfig": ["mac": "02:00:00:00:00:07"], "dns": ["nameservers": ["10.1.0.1"]],
        ],
        "promiscuous": ["promiscMode": true], "port only": ["ipam": nil, "disableContainerInterface": true],
    ]

    private func failAfterEachStep(
        _ network: Value,
        least: Int,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let before = try host.state(container)
        for step in 1...40 {
            let call = host.call("ADD", network, in: container, id: "c9").with(["CNI_FAIL_AFTER_STEP": "\(step)"])
            let answer = try call.run()
            if answer.isSuccess {
                #expect(step > least, "only \(step - 1) steps can be undone", sourceLocation: sourceLocation)
                try host.call("DEL", network, in: container, id: "c9").run().succeeded()
                return
            }
            answer.failed(11, "step \(step)", sourceLocation: sourceLocation)
            try host.expectUnchanged(since: before, container, comment: "step \(step)", sourceLocation: sourceLocation)
        }
        Issue.record("ADD never succeeds", sourceLocation: sourceLocation)
    }

    @Test(arguments: ["plain": 2, "addresses": 3, "gateway": 5, "everything": 5, "promiscuous": 4, "port only": 2])
    func afterEachStepOnAnUntouchedHost(variant: (name: String, steps: Int)) throws {
        try failAfterEachStep(host.dualStack(with: Self.variants[variant.name] ?? [:]), least: variant.steps)
    }

    @Test(arguments: ["plain", "addresses", "gateway", "everything"])
    func afterEachStepOnAHostInUse(variant: String) throws {
        let neighbour = try ContainerNamespace()
        let network = host.dualStack(with: Self.variants[variant] ?? [:])
        try host.add(network, in: neighbour)
        try failAfterEachStep(network, least: variant == "plain" ? 1 : 2)
        let result = try host.add(network, in: container, id: "c2")
        try host.call("CHECK", network.with(["prevResult": result]), in: container, id: "c2").run().succeeded()
    }

    /// Makes a bridge as an operator does, which has had a port before: the kernel notes the first carrier of an interface.
    private func makeBridge(addresses: String..., isUp: Bool = true, keepsPort: Bool = false) throws {
        for line in [
            "ip link add name br0 address 02:00:00:00:00:99 type bridge",
            "ip link add name up0 type veth peer name up1",
            "ip link set br0 up", "ip link set up0 master br0 up", "ip link set up1 up",
        ] {
            try Network.run(line)
        }
        for address in addresses { try Network.run("ip address add \(address) brd + dev br0") }
        for _ in 0..<200 where try Network.link("br0")?["operstate"] != "UP" { usleep(10_000) }
        if !keepsPort { try Network.run("ip link delete up0") }
        if !isUp { try Network.run("ip link set br0 down") }
        _ = try host.state()
    }

    @Test(arguments: ["up", "down", "with a port"])
    func afterEachStepOnABridgeOfTheOperator(kind: String) throws {
        try makeBridge(addresses: "10.77.0.1/24", isUp: kind != "down", keepsPort: kind == "with a port")
        try failAfterEachStep(host.dualStack(with: ["forceAddress": true]), least: 4)
    }

    @Test func aBridgeThatWasDownKeepsItsIPv6Addresses() throws {
        try makeBridge(isUp: false)
        for address in ["fd00:1::9/64", "fd00:99::1/64"] { try Network.run("ip address add \(address) dev br0") }
        try expectRefusal(host.dualStack(), 7, "already has an IP address different from fd00:1::1/64")
    }

    @Test func anAddressThatWasReplacedComesBackAsItWas() throws {
        try makeBridge()
        try Network.run("ip address add 10.77.0.1/24 dev br0 label br0:1 noprefixroute")
        let before = try host.state(container)
        let network = host.dualStack(with: ["forceAddress": true])
        try host.call("ADD", network, in: container).with(["CNI_FAIL_AFTER_STEP": "4"]).run().failed(11)
        try host.expectUnchanged(since: before, container)
    }

    @Test func afterEachStepOfAnAddressPlugin() throws {
        try host.add(host.network("host-local"), in: container)
        try failAfterEachStep(
            host.network("host-local", with: ["ipam": host.ipam("10.1.0.0/24", "fd00:1::/64")]),
            least: 1
        )
    }

    @Test func afterEachStepOfTheLoopback() throws {
        try container.inside {
            try Network.run("ip link set lo up")
            try Network.run("ip link set lo down")
        }
        try failAfterEachStep(host.network("loopback"), least: 1)
    }

    @Test func afterAnInterfaceOfTheSameName() throws {
        try container.inside { try Network.run("ip link add name eth0 type veth peer name other") }
        try expectRefusal(host.dualStack(), 102, "eth0")
    }

    @Test func afterTheHostsNameIsTaken() throws {
        let result = try host.add(host.dualStack(), in: container)
        try host.call("DEL", host.dualStack(), in: container).run().succeeded()
        let name = result["interfaces"]?[1]?["name"]?.string ?? ""
        try Network.run("ip link add name \(name) type veth peer name other")
        try expectRefusal(host.dualStack(), 102, name)
    }

    @Test(arguments: [70_000, 65_536, 67])
    func afterAnMTUThatTheKernelRefuses(mtu: Int) throws {
        try expectRefusal(host.dualStack(with: ["mtu": .int(mtu)]), 100, "")
    }

    @Test func afterABridgeNameThatIsTaken() throws {
        try Network.run("ip link add name br0 type veth peer name other")
        try expectRefusal(host.dualStack(), 7, "\"br0\" already exists but is not a bridge")
    }

    @Test(arguments: ["10.99.0.1/24", "10.1.0.9/24", "10.1.0.1/16"])
    func afterAnAddressThatConflicts(present: String) throws {
        try makeBridge(addresses: present)
        try expectRefusal(host.dualStack(), 7, "already has an IP address different from 10.1.0.1/24")
    }

    @Test func afterAnOverlappingAddressOfTheOtherFamily() throws {
        try makeBridge()
        try Network.run("ip address add fd00:1::9/64 dev br0 nodad")
        try expectRefusal(host.dualStack(), 7, "already has an IP address different from fd00:1::1/64")
    }

    @Test func afterTheLastAddressIsGone() throws {
        let network = host.dualStack(with: ["ipam": host.ipam("10.1.0.0/30", "fd00:1::/64")])
        try host.add(network, in: try ContainerNamespace(), id: "c7")
        // The second set is not asked: what it would have given stays free.
        try expectRefusal(network, 101, "10.1.0.2")
        let reversed = host.dualStack(with: ["ipam": host.ipam("fd00:1::/64", "10.1.0.0/30")])
        try expectRefusal(reversed, 101, "10.1.0.2")
    }

    @Test(
        arguments: [
            [["dst": "10.9.0.0/16", "gw": "172.16.0.1"]], [["dst": "fd00:9::/64", "gw": "fd00:77::1"]],
            [["dst": "10.9.0.0/16"], ["dst": "10.8.0.0/16", "gw": "192.0.2.1"]],
            [["dst": "10.9.0.0/16", "scope": 254]],
        ] as [Value]
    )
    func afterARouteThatTheKernelRefuses(routes: Value) throws {
        let ipam = host.ipam("10.1.0.0/24", "fd00:1::/64", with: ["routes": routes])
        try expectRefusal(host.dualStack(with: ["ipam": ipam]), 100, "")
    }

    @Test func afterASettingThatCannotBeWritten() throws {
        // Nobody may make files there, not even root.
        try expectRefusal(host.dualStack(with: ["ipam": host.ipam(with: ["dataDir": "/proc/cni"])]), 5, "/proc")
    }

    @Test(arguments: ["/nowhere", "/etc/passwd", "/proc/self/ns/mnt"])
    func afterANamespaceThatIsNone(path: String) throws {
        let before = try host.state(container)
        let answer = try host.call("ADD", host.dualStack(), in: container).with(["CNI_NETNS": path]).run()
        #expect(!answer.isSuccess)
        try host.expectUnchanged(since: before, container)
    }

    private func expectRefusal(
        _ network: Value,
        _ code: Int,
        _ sign: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let before = try host.state(container)
        let call = host.call("ADD", network, in: container)
        try call.run().failed(code, sign, sourceLocation: sourceLocation)
        try host.expectUnchanged(since: before, container, sourceLocation: sourceLocation)
        try host.call("DEL", network, in: container).run()
    }
}
