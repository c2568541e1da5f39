// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

/// CHECK finds what was taken away or changed since ADD: section 4.3.
@Suite("Drift", .privateHost)
struct CheckTests {
    private let host: Host
    private let container: ContainerNamespace
    private let network: Value
    private let result: Value

    init() throws {
        host = try Host()
        container = try ContainerNamespace()
        network = host.dualStack(with: ["hairpinMode": true, "portIsolation": true, "mtu": 1400])
        result = try host.add(network, in: container)
    }

    private func check() throws -> Answer {
        try host.call("CHECK", network.with(["prevResult": result]), in: container).run()
    }

    private var port: String { result["interfaces"]?[1]?["name"]?.string ?? "" }

    @Test func rightAfterAddAllIsWell() throws {
        for _ in 0..<3 { try check().succeeded() }
    }

    @Test(arguments: [
        "ip address delete 10.1.0.2/24 dev eth0", "ip address delete fd00:1::2/64 dev eth0",
        "ip route delete default", "ip -6 route delete default", "ip link delete eth0", "ip link set eth0 name eth7",
        "ip link set eth0 mtu 1300", "ip link set eth0 address 02:00:00:00:00:01",
    ])
    func aChangeInTheContainerIsFound(change: String) throws {
        try container.inside { _ = try Network.run(change) }
        try check().failed(105)
    }

    @Test(arguments: [
        "ip link set PORT nomaster", "ip link delete br0", "ip link set br0 down", "ip link set PORT down",
        "ip address delete 10.1.0.1/24 dev br0", "bridge link set dev PORT hairpin off",
        "bridge link set dev PORT isolated off", "ip link set br0 address 02:00:00:00:00:01",
    ])
    func aChangeOnTheHostIsFound(change: String) throws {
        try Network.run(change.replacing("PORT", with: port))
        try check().failed(105)
    }

    @Test func aLostLeaseIsFound() throws {
        for address in ["10.1.0.2", "fd00:1::2"] { unsafe unlink("\(host.dataDir)/lan/\(address)") }
        try check().failed(105, "c1")
    }

    @Test func aLeaseOfSomebodyElseIsNoLease() throws {
        try host.call("CHECK", network.with(["prevResult": result]), in: container, id: "c2").run().failed(105)
    }

    @Test func aLostSettingOfAnInterfaceIsNoDrift() throws {
        try container.inside {
            try Network.run("ip address add 10.9.0.1/24 dev eth0")
            try Network.run("ip route add 10.7.0.0/16 dev eth0")
        }
        try check().succeeded()
    }

    @Test func theNamespaceMustBeThatOfTheResult() throws {
        let other = try ContainerNamespace()
        let answer = try host.call("CHECK", network.with(["prevResult": result]), in: other).run()
        #expect([7, 105].contains(answer.code), "\(answer)")
        container.removePath()
        try check().failed(8)
    }

    @Test func theLoopbackMustBeUp() throws {
        let network = host.network("loopback")
        let result = try host.add(network, in: container)
        let call = host.call("CHECK", network.with(["prevResult": result]), in: container)
        try call.run().succeeded()
        try container.inside { try Network.run("ip link set lo down") }
        try call.run().failed(105, "loopback interface is down")
    }

    @Test func anAttachmentWithoutAddressesCanBeChecked() throws {
        let network = host.network("bridge", with: ["ipam": nil, "name": "plain"])
        let result = try host.add(network, in: container, interface: "net1")
        let call = host.call("CHECK", network.with(["prevResult": result]), in: container, interface: "net1")
        try call.run().succeeded()
        try container.inside { try Network.run("ip link delete net1") }
        try call.run().failed(105)
    }
}
