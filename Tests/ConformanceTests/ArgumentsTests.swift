// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// CNI_ARGS, args.cni and runtimeConfig: rules E-7, B-1 to B-3.
@Suite("Arguments and capabilities", .privateHost)
struct ArgumentsTests {
    private let host: Host
    private let container: ContainerNamespace

    init() throws {
        host = try Host()
        container = try ContainerNamespace()
    }

    private func add(_ network: Value, arguments: String? = nil) throws -> Answer {
        try host.call("ADD", network, in: container).with(["CNI_ARGS": arguments]).run()
    }

    private func address(_ answer: Answer, _ index: Int = 0) -> Value? { answer.result["ips"]?[index]?["address"] }

    @Test(arguments: [
        "IP=10.1.0.77;MAC=02:00:00:00:00:77;IgnoreUnknown=1", "IgnoreUnknown=true;MAC=02:00:00:00:00:77;IP=10.1.0.77;",
        "MAC=02:00:00:00:00:77;;IgnoreUnknown=TRUE;K8S_POD_NAME=web-0;IP=10.1.0.77/24;K8S_POD_UID=7;",
        ";K8S_POD_NAMESPACE=default;K8S_POD_INFRA_CONTAINER_ID=c1;IP=10.1.0.77;IgnoreUnknown=1;MAC=02:00:00:00:00:77",
    ])
    func addressAndHardwareAddressComeInAnyOrder(arguments: String) throws {
        let answer = try add(host.network("bridge"), arguments: arguments).succeeded()
        #expect(address(answer) == "10.1.0.77/24")
        #expect(answer.result["interfaces"]?[2]?["mac"] == "02:00:00:00:00:77")
        #expect(try container.inside { try Network.link("eth0")?["address"] } == "02:00:00:00:00:77")
        try host.call("DEL", host.network("bridge"), in: container).with(["CNI_ARGS": arguments]).run().succeeded()
        #expect(try host.leases() == [:])
    }

    @Test(arguments: [
        "", ";", ";;", "IP=10.1.0.9", "IP=10.1.0.9;", "IgnoreUnknown=0", "IgnoreUnknown=false;IP=10.1.0.9",
    ])
    func knownKeysNeedNoPermission(arguments: String) throws {
        try add(host.network("host-local"), arguments: arguments).succeeded()
    }

    @Test(arguments: [
        "FOO=bar", "FOO=bar;", "IP=10.1.0.9;FOO=bar", "ip=10.1.0.9", "IgnoreUnknown=0;FOO=bar", "IgnoreUnknown=x",
        "IP", "IP=10.1.0.9=7", "=x", "IP=10.1.0.9;x", "IP=nonsense", "IP=10.1.0.300",
    ])
    func whatIsWrongInTheArgumentsIsRefused(arguments: String) throws {
        let before = try host.state(container)
        let answer = try add(host.network("bridge"), arguments: arguments)
        #expect([4, 7].contains(answer.code), "\(answer)")
        try host.expectUnchanged(since: before, container)
    }

    @Test(arguments: [
        "02:00:00:00:00", "02:00:00:00:00:0g", "01:00:5e:00:00:01", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff",
    ])
    func aHardwareAddressThatIsNoneIsRefused(mac: String) throws {
        let before = try host.state(container)
        let permission = "IgnoreUnknown=1;MAC=\(mac)"
        let first = try add(host.network("bridge"), arguments: permission)
        #expect([4, 7].contains(first.code) && first.complaint.contains(mac), "\(first)")
        try add(host.network("bridge", with: ["runtimeConfig": ["mac": .string(mac)]])).failed(7, mac)
        try add(host.network("bridge", with: ["args": ["cni": ["mac": .string(mac)]]])).failed(7, mac)
        try host.expectUnchanged(since: before, container)
    }

    @Test(arguments: [(false, false, "1"), (true, false, "2"), (false, true, "3"), (true, true, "3")])
    func ofThreeHardwareAddressesTheCapabilityWins(args: Bool, capability: Bool, last: String) throws {
        var network = host.network("bridge")
        if args { network["args"] = ["cni": ["mac": "02:00:00:00:00:02"]] }
        if capability { network["runtimeConfig"] = ["mac": "02:00:00:00:00:03"] }
        let answer = try add(network, arguments: "IgnoreUnknown=1;MAC=02:00:00:00:00:01").succeeded()
        #expect(answer.result["interfaces"]?[2]?["mac"] == "02:00:00:00:00:0\(last)")
    }

    @Test func requestedAddressesOfAllThreePlacesAreCollected() throws {
        let network = host.network(
            "host-local",
            with: [
                "ipam": host.ipam("10.1.0.0/24", "10.2.0.0/24", "fd00:1::/64"),
                "args": ["cni": ["ips": ["10.2.0.50/16"], "labels": [["key": "app", "value": "x"]], "other": [1]]],
                "runtimeConfig": ["ips": ["fd00:1::50"], "other": [:]],
            ]
        )
        let answer = try add(network, arguments: "IP=10.1.0.50").succeeded()
        #expect(
            answer.result["ips"]?.array.compactMap { $0["address"] } == [
                "10.1.0.50/24", "10.2.0.50/24", "fd00:1::50/64",
            ]
        )
    }

    @Test func addressesThatAreGivenTwiceCountOnce() throws {
        let ips: Value = ["10.1.0.200", "fd00:1::200", "10.1.0.200", "fd00:1::200"]
        let network = host.dualStack(with: ["runtimeConfig": ["ips": ips], "args": ["cni": ["ips": ["10.1.0.200/24"]]]])
        let answer = try add(network, arguments: "IP=10.1.0.200;IgnoreUnknown=1").succeeded()
        #expect(address(answer) == "10.1.0.200/24")
        #expect(address(answer, 1) == "fd00:1::200/64")
        #expect(try host.leases().count == 2)
    }

    @Test(arguments: [
        ("10.1.0.1", "gateway"), ("10.9.0.5", "10.9.0.5"), ("10.1.0.0", "10.1.0.0"), ("10.1.0.255", "10.1.0.255"),
        ("fd00::5", "fd00::5"), ("10.1.0.5", "not available"),
    ])
    func anAddressThatCannotBeHadIsRefused(wanted: (address: String, sign: String)) throws {
        let other = try ContainerNamespace()
        let taken = host.network("bridge", with: ["runtimeConfig": ["ips": ["10.1.0.5"]]])
        try host.add(taken, in: other, id: "c2")
        let before = try host.state(container, other)
        for plugin in ["host-local", "bridge"] {
            let network = host.network(plugin, with: ["runtimeConfig": ["ips": [.string(wanted.address)]]])
            try add(network).failed(103, wanted.sign)
            try add(host.network(plugin), arguments: "IgnoreUnknown=1;IP=\(wanted.address)").failed(103, wanted.sign)
            try host.expectUnchanged(since: before, container, other)
        }
    }

    @Test func twoRequestedAddressesNeedTwoRanges() throws {
        let before = try host.state(container)
        let network = host.network("host-local", with: ["runtimeConfig": ["ips": ["10.1.0.5", "10.1.0.6"]]])
        try add(network).failed(103, "10.1.0.6")
        try host.expectUnchanged(since: before, container)
    }

    @Test func rangesOfTheRuntimeComeBeforeThoseOfTheConfiguration() throws {
        let network = host.network(
            "host-local",
            with: [
                "runtimeConfig": ["ipRanges": [[["subnet": "10.7.0.0/24"]], [["subnet": "10.8.0.0/24"]]]],
                "ipam": host.ipam(with: ["subnet": "10.9.0.0/24"]),
            ]
        )
        let addresses = try add(network).succeeded().result["ips"]?.array.compactMap { $0["address"] }
        #expect(addresses == ["10.7.0.2/24", "10.8.0.2/24", "10.9.0.2/24", "10.1.0.2/24"])
    }

    @Test func theLoopbackTakesWhateverIsInTheArguments() throws {
        for arguments in ["FOO=bar;", "IP=1;x", "=;="] {
            try add(host.network("loopback"), arguments: arguments).succeeded()
        }
    }
}
