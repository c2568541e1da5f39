// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// Results of earlier plugins: rules, K-1 to K-3, A-4.
@Suite("Previous results", .privateHost)
struct PreviousResultTests {
    private let host: Host
    private let container: ContainerNamespace

    init() throws {
        host = try Host()
        container = try ContainerNamespace()
    }

    private static let versionsWithCheck = ["0.4.0", "1.0.0", "1.1.0"]

    private func check(_ version: String, _ result: Value?) throws -> Answer {
        try host.call("CHECK", host.dualStack(version, with: ["prevResult": result]), in: container).run()
    }

    @Test(arguments: versionsWithCheck)
    func checkTakesTheResultInEveryHarmlessForm(version: String) throws {
        let result = try host.add(host.dualStack(version), in: container)
        try check(version, result).succeeded()
        try check(version, result.with(["cniVersion": nil])).succeeded()
        try check(version, result.with(["cniVersion": ""])).succeeded()
        try check(version, result.with(["cniVersion": nil, "CNIVersion": .string(version)])).succeeded()
        try check(version, result.with(["dns": [:]])).succeeded()
        try check(version, result.with(["dns": .some(.null), "routes": .some(.null)])).succeeded()
        try check(version, result.with(["dns": nil, "routes": []])).succeeded()
        let unbound = result["ips"]?.array.map { $0.with(["interface": -1]) } ?? []
        try check(version, result.with(["ips": .array(unbound)])).succeeded()
        for key in ["ips", "routes", "interfaces"] {
            try check(version, result.with([key: .array((result[key]?.array ?? []) + [.null])])).succeeded()
        }
        try check(version, result.with(["future": ["a": 1]])).succeeded()
    }

    @Test(arguments: versionsWithCheck, versionsWithCheck)
    func checkTakesTheResultOfAnotherVersion(version: String, other: String) throws {
        let result = try host.add(host.dualStack(other), in: container)
        try check(version, result).succeeded()
    }

    @Test(arguments: versionsWithCheck)
    func checkNeedsAPreviousResult(version: String) throws {
        try host.add(host.dualStack(version), in: container)
        try check(version, nil).failed(7, "Required prevResult missing")
        try check(version, .null).failed(7, "Required prevResult missing")
    }

    private static let broken: [[String: Value?]] = [
        ["ips": 5], ["ips": [:]], ["ips": ["10.1.0.2/24"]], ["ips": [["address": "nonsense"]]],
        ["ips": [["address": 5]]],
        ["ips": [["gateway": "10.1.0.1"]]], ["ips": [["address": "10.1.0.2/24", "gateway": "x"]]],
        ["ips": [["address": "10.1.0.2/33"]]], ["ips": [["address": "10.1.0.2/24", "interface": "0"]]],
        ["ips": [["address": "10.1.0.2/24", "interface": 0.5]]], ["interfaces": "eth0"], ["interfaces": [5]],
        ["interfaces": [["name": 5]]], ["routes": [["gw": "10.1.0.1"]]], ["routes": [["dst": "x"]]],
        ["dns": "10.1.0.1"],
        ["dns": ["nameservers": "10.1.0.1"]], ["cniVersion": "9.9.9"], ["cniVersion": 5], ["cniVersion": "abc"],
        ["ips": [["address": "10.1.0.2/24", "interface": 3]]], ["ips": [["address": "10.1.0.2/24", "interface": 99]]],
        ["ips": [["address": "10.1.0.2/24", "interface": 4_294_967_295]]],
    ]

    @Test func checkRefusesABrokenResult() throws {
        let result = try host.add(host.dualStack(), in: container)
        for changes in Self.broken { try check("1.1.0", result.with(changes)).failed(7, "prevResult") }
        for other in [5, "x", [], true] as [Value] { try check("1.1.0", other).failed(7, "prevResult") }
    }

    @Test func addOfAChainedPluginRefusesABrokenResult() throws {
        let result = try host.add(host.dualStack(), in: container)
        // Up once and down again, because the kernel keeps the loopback's address.
        for state in ["up", "down"] { try container.inside { try Network.run("ip link set lo \(state)") } }
        let before = try host.state(container)
        for changes in Self.broken {
            let network = host.network("loopback", with: ["prevResult": result.with(changes)])
            try host.call("ADD", network, in: container).run().failed(7, "prevResult")
        }
        try host.expectUnchanged(since: before, container)
    }

    @Test(arguments: Schema.versions, Schema.versions)
    func aResultIsPassedOnInTheVersionOfTheRequest(version: String, other: String) throws {
        let result = try host.add(host.dualStack(other), in: container)
        let passed = try host.add(host.network("loopback", version, with: ["prevResult": result]), in: container)
        #expect(Schema.faults(of: passed, version) == [], "\(passed.text)")
        if version == other { #expect(passed == result) }
        let addresses =
            version < "0.3.0"
            ? ["ip4", "ip6"].compactMap { passed[$0]?["ip"] } : passed["ips"]?.array.compactMap { $0["address"] }
        #expect(addresses == ["10.1.0.2/24", "fd00:1::2/64"])
    }

    @Test(arguments: Schema.versions)
    func aResultWithoutVersionIsTakenForTheVersionOfTheRequest(version: String) throws {
        let result = try host.add(host.dualStack(version), in: container)
        let network = host.network("loopback", version, with: ["prevResult": result.with(["cniVersion": nil])])
        #expect(try host.add(network, in: container) == result)
    }

    @Test func whatNobodyKnowsYetIsPassedOn() throws {
        let result = try host.add(host.dualStack(), in: container)
        let route: Value = ["dst": "10.7.0.0/16", "gws": ["10.1.0.3", "10.1.0.4"]]
        var interfaces = result["interfaces"]?.array ?? []
        try #require(interfaces.count == 3)
        interfaces[0] = interfaces[0].with([
            "metadata": ["a": "b"], "pciID": "0000:04:00.5", "socketPath": "/run/x.sock",
        ])
        let rich = result.with(["future": [1, ["a": .null]], "routes": [route], "interfaces": .array(interfaces)])
        let passed = try host.add(host.network("loopback", with: ["prevResult": rich]), in: container)
        #expect(passed == rich)
    }
}
