// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// Standard input: rules E-8 and C-1 to C-4.
@Suite("Standard input", .privateHost)
struct InputTests {
    private let host: Host
    private let container: ContainerNamespace

    init() throws {
        host = try Host()
        container = try ContainerNamespace()
    }

    private func call(_ command: String, _ plugin: String, _ text: String) -> Call {
        var call = host.call(command, host.network(plugin), in: container)
        call.input = .bytes(Array(text.utf8))
        return call
    }

    private static let noConfigurations = [
        "", " ", "[]", "5", "\"text\"", "true", "{", "{\"name\"", "{\"name\":\"lan\",", "{} {}", "{}x", "// none\n{}",
        "\u{FEFF}{}", "\u{0}", "{\"name\":\"lan\"\u{0}}", "{'name':'lan'}", "{\"name\":5}", "{\"name\":[\"lan\"]}",
        "{\"name\":\"lan\",\"cniVersion\":1}", "{\"name\":\"lan\",}", "{\"name\":\"l\nan\"}",
    ]

    @Test(arguments: ["ADD", "CHECK", "DEL", "GC", "STATUS"])
    func whatIsNoConfigurationIsRefused(command: String) throws {
        let before = try host.state(container)
        for plugin in ProtocolTests.plugins {
            for text in Self.noConfigurations { try call(command, plugin, text).run().failed(6) }
        }
        try host.expectUnchanged(since: before, container)
    }

    @Test(arguments: ["ADD", "CHECK", "DEL", "GC", "STATUS"], ["null", "{}", "{\"name\":null}"])
    func aConfigurationWithoutNameIsRefused(command: String, text: String) throws {
        for plugin in ProtocolTests.plugins {
            let answer = try call(command, plugin, text).run()
            // In GC, STATUS and CHECK the version 0.1.0 of an empty configuration may be noticed first.
            #expect([1, 7].contains(answer.code), "\(answer)")
            if command == "ADD" || command == "DEL" { answer.failed(7, "missing network name") }
        }
    }

    @Test(arguments: ProtocolTests.plugins)
    func aConfigurationThatWasCutOffIsRefusedWhereverTheCutIs(plugin: String) throws {
        let before = try host.state(container)
        let text = host.network(plugin).text
        for length in stride(from: 1, to: text.utf8.count, by: 7) {
            try call("ADD", plugin, String(decoding: text.utf8.prefix(length), as: UTF8.self)).run().failed(6)
        }
        try host.expectUnchanged(since: before, container)
    }

    @Test(arguments: ProtocolTests.plugins)
    func withoutStandardInputThePluginSaysSo(plugin: String) throws {
        var call = host.call("ADD", host.network(plugin), in: container)
        call.input = .closed
        let answer = try call.run()
        #expect([5, 6].contains(answer.code), "\(answer)")
    }

    @Test(arguments: ProtocolTests.plugins)
    func tenMegabytesAreRead(plugin: String) throws {
        let network = host.network(plugin, with: ["note": .string(String(repeating: "x", count: 10 << 20))])
        try host.add(network, in: container)
        try host.call("DEL", network, in: container).run().succeeded()
        #expect(try host.leases() == [:])
    }

    @Test(arguments: ProtocolTests.plugins, [100, 10_000, 1_000_000])
    func deepNestingDoesNotCrash(plugin: String, depth: Int) throws {
        let before = try host.state(container)
        for (open, close) in [("[", "]"), ("{\"a\":", "1}")] {
            let deep =
                String(repeating: open, count: depth) + (open == "[" ? "" : "1")
                + String(repeating: open == "[" ? close : "}", count: depth)
            var text = host.network(plugin).text
            text.removeLast()
            let answer = try call("ADD", plugin, "\(text),\"note\":\(deep)}").run()
            if answer.isSuccess {
                try host.call("DEL", host.network(plugin), in: container).run().succeeded()
            } else {
                answer.failed(6)
                try host.expectUnchanged(since: before, container)
            }
            try call("ADD", plugin, String(repeating: open, count: depth)).run().failed(6)
        }
    }

    @Test func ofDuplicateKeysTheLastCounts() throws {
        var text = host.network("bridge", with: ["mtu": 1400]).text
        text.removeLast()
        let answer = try call("ADD", "bridge", "\(text),\"mtu\":1300,\"mtu\":1350}").run().succeeded()
        #expect(answer.result["interfaces"]?[2]?["mtu"] == 1350)
    }

    @Test func keysMatchWithoutRegardToLetterCase() throws {
        let text = """
            {"CNIVERSION":"1.1.0","Name":"lan","TYPE":"bridge","Bridge":"br0","Mtu":1400,"ISGATEWAY":true,"IPAM":{
            "Type":"host-local","DATADIR":"\(host.dataDir)","Ranges":[[{"SubNet":"10.7.0.0/24","RANGESTART":"10.7.0.9"}]],
            "Routes":[{"DST":"10.8.0.0/16","GW":"10.7.0.3"}]},"DNS":{"NameServers":["10.7.0.2"]},
            "RuntimeConfig":{"MAC":"02:00:00:00:00:07"}}
            """
        let result = try call("ADD", "bridge", text).run().succeeded().result
        #expect(result["ips"]?[0]?["address"] == "10.7.0.9/24")
        #expect(result["interfaces"]?[2]?["mac"] == "02:00:00:00:00:07")
        #expect(result["interfaces"]?[2]?["mtu"] == 1400)
        #expect(result["routes"] == [["dst": "10.8.0.0/16", "gw": "10.7.0.3"]])
        #expect(result["dns"] == ["nameservers": ["10.7.0.2"]])
    }

    @Test func theCapitalisedKeysOfContainerdAreRead() throws {
        let network = host.network(
            "bridge",
            with: [
                "runtimeConfig": [
                    "ipRanges": [[["Subnet": "10.9.0.0/24", "RangeStart": "10.9.0.5", "RangeEnd": "", "Gateway": ""]]],
                    "portMappings": [["HostPort": 8080, "ContainerPort": 80, "Protocol": "tcp", "HostIP": ""]],
                    "bandwidth": ["IngressRate": 1000, "IngressBurst": 4_294_967_295],
                    "dns": ["Servers": ["10.9.0.1"], "Searches": nil, "Options": nil],
                ],
                "ipam": ["type": "host-local", "dataDir": .string(host.dataDir)],
            ]
        )
        #expect(try host.add(network, in: container)["ips"]?[0]?["address"] == "10.9.0.5/24")
    }

    @Test func aKeyInTheRightLettersWinsOverOthers() throws {
        for order in [["mtu": 1400, "MTU": 1300], ["MTU": 1300, "Mtu": 1200, "mtu": 1400]] as [[String: Value]] {
            let result = try host.add(host.network("bridge", with: order.mapValues { $0 }), in: container)
            #expect(result["interfaces"]?[2]?["mtu"] == 1400)
            try host.call("DEL", host.network("bridge"), in: container).run().succeeded()
        }
    }

    @Test(arguments: ProtocolTests.plugins)
    func nullIsLikeAMissingKeyAndUnknownKeysAreIgnored(plugin: String) throws {
        var network = host.network(
            plugin,
            with: [
                "mtu": nil as Value?, "dns": .some(.null), "args": .some(.null),
                "runtimeConfig": .some(.null), "capabilities": ["mac": true, "ips": .null], "disableCheck": "true",
                "cni.dev/something": [1, 2], "isGateway": .some(.null), "vlanTrunk": .some(.null),
                "nobody": ["knows": 1.5],
            ]
        )
        // What is chained behind another plugin cannot do without.
        if network["prevResult"] == nil { network["prevResult"] = .null }
        try host.add(network, in: container)
        try host.call("DEL", network, in: container).run().succeeded()
    }

    @Test(
        arguments: [
            ("mtu", "1500"), ("mtu", 1.5), ("mtu", -1), ("mtu", 99_999_999_999), ("isGateway", "true"),
            ("isGateway", 1),
            ("bridge", 5), ("bridge", "a b"), ("bridge", "1234567890123456"), ("ipam", "host-local"),
            ("dns", "10.0.0.1"),
            ("ipam", ["type": 5]), ("runtimeConfig", ["mac": 5]), ("vlan", "5"), ("vlanTrunk", 5),
        ] as [(String, Value)]
    )
    func aValueOfAWrongKindIsRefusedWithItsPlace(key: String, value: Value) throws {
        let before = try host.state(container)
        try host.call("ADD", host.network("bridge", with: [key: value]), in: container).run().failed(7, key)
        try host.expectUnchanged(since: before, container)
    }
}
