// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// The environment: rules E-1 to E-6.
@Suite("The environment", .privateHost)
struct EnvironmentTests {
    private let host: Host
    private let container: ContainerNamespace

    init() throws {
        host = try Host()
        container = try ContainerNamespace()
    }

    private static let required = [
        "ADD": ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"], "CHECK": ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"],
        "DEL": ["CNI_CONTAINERID", "CNI_IFNAME"],
    ]

    @Test(arguments: ProtocolTests.plugins, ["ADD", "CHECK", "DEL"])
    func eachMissingVariableIsNamed(plugin: String, command: String) throws {
        let before = try host.state(container)
        for name in Self.required[command] ?? [] {
            for value in [nil, ""] {
                let call = host.call(command, host.network(plugin), in: container).with([name: value])
                try call.run().failed(4, "required env variables [\(name)] missing")
            }
        }
        try host.expectUnchanged(since: before, container)
    }

    @Test(arguments: ProtocolTests.plugins, ["ADD", "CHECK", "DEL"])
    func allMissingVariablesAreNamedAtOnceInTheirOrder(plugin: String, command: String) throws {
        let names = Self.required[command] ?? []
        let call = Call(plugin, command, host.network(plugin))
        try call.run().failed(4, "[\(names.joined(separator: ","))] missing")
        try call.with(["CNI_PATH": nil]).run().failed(4, "[\(names.joined(separator: ",")),CNI_PATH] missing")
    }

    @Test(arguments: ["ADD", "DEL", "GC", "STATUS"])
    func whoDelegatesNeedsThePath(command: String) throws {
        let before = try host.state(container)
        try host.call(command, host.network("bridge"), in: container).with(["CNI_PATH": nil]).run().failed(
            4,
            "CNI_PATH"
        )
        try host.expectUnchanged(since: before, container)
    }

    @Test(arguments: ProtocolTests.plugins)
    func whoDoesNotDelegateNeedsNoPath(plugin: String) throws {
        let network = plugin == "bridge" ? host.network(plugin, with: ["ipam": nil]) : host.network(plugin)
        for command in ["ADD", "DEL", "GC", "STATUS"] {
            try host.call(command, network, in: container).with(["CNI_PATH": nil]).run().succeeded()
        }
    }

    @Test(arguments: ProtocolTests.plugins, ["GC", "STATUS"])
    func garbageCollectionAndStatusTakeTheEmptyVariablesOfLibcni(plugin: String, command: String) throws {
        let variables = ["CNI_CONTAINERID": "", "CNI_NETNS": "", "CNI_IFNAME": "", "CNI_ARGS": ""]
        try host.call(command, host.network(plugin)).with(variables).run().succeeded()
    }

    @Test func anInvalidValueIsReportedBeforeAMissingOne() throws {
        let call = host.call("ADD", host.network("bridge"), in: container)
        try call.with(["CNI_CONTAINERID": "-a", "CNI_NETNS": ""]).run().failed(
            4,
            "invalid characters in containerID",
            "-a"
        )
        try call.with(["CNI_IFNAME": "a b", "CNI_NETNS": ""]).run().failed(4, "whitespace")
    }

    @Test(arguments: ProtocolTests.plugins, ["a", "0", "a.b-c_d", "A..--__", String(repeating: "a", count: 300)])
    func aGoodIdentifierIsTaken(plugin: String, id: String) throws {
        try host.add(host.network(plugin), in: container, id: id)
        #expect(try host.leases().count == (Host.keepsLeases(plugin) ? 1 : 0))
        try host.call("DEL", host.network(plugin), in: container, id: id).run().succeeded()
        #expect(try host.leases() == [:])
        #expect(try Network.ports().isEmpty)
    }

    private static let badIdentifiers = [
        "-a", ".a", "_a", "a/b", "a\n", "a\r", "ä", "a b", "a:b", "a\u{a0}", "../a", ".", "a\u{7f}", "\u{ff41}",
    ]

    @Test(arguments: ["ADD", "CHECK", "DEL"])
    func aBadIdentifierIsRefused(command: String) throws {
        let before = try host.state(container)
        for plugin in ProtocolTests.plugins {
            for id in Self.badIdentifiers {
                try host.call(command, host.network(plugin), in: container, id: id).run()
                    .failed(4, "invalid characters in containerID", id)
            }
        }
        try host.expectUnchanged(since: before, container)
    }

    @Test(arguments: ProtocolTests.plugins, ["a", "0", "a.b-c_d", "A..--__", String(repeating: "a", count: 200)])
    func aGoodNetworkNameIsTaken(plugin: String, name: String) throws {
        let network = host.network(plugin, with: ["name": .string(name)])
        try host.add(network, in: container)
        try host.call("DEL", network, in: container).run().succeeded()
        #expect(try host.leases() == [:])
    }

    @Test(arguments: ProtocolTests.plugins, [245, 250, 251, 255])
    func aNetworkNameMayBeAsLongAsAFileName(plugin: String, length: Int) throws {
        let network = host.network(plugin, with: ["name": .string(String(repeating: "n", count: length))])
        try host.add(network, in: container)
        #expect(try host.leases().count == (Host.keepsLeases(plugin) ? 1 : 0))
        for command in ["GC", "STATUS", "DEL"] { try host.call(command, network, in: container).run().succeeded() }
        #expect(try host.leases() == [:])
    }

    @Test func aNetworkNameThatIsLongerThanAFileNameHarmsNothing() throws {
        let name = Value.string(String(repeating: "n", count: 300))
        let before = try host.state(container)
        for plugin in ["bridge", "host-local"] {
            let network = host.network(plugin, with: ["name": name])
            let answer = try host.call("ADD", network, in: container).run()
            if answer.isSuccess {
                try host.call("DEL", network, in: container).run().succeeded()
            } else {
                try host.expectUnchanged(since: before, container)
            }
        }
        for network in [host.network("loopback"), host.network("bridge", with: ["ipam": nil])] {
            try host.add(network.with(["name": name]), in: container)
            try host.call("DEL", network.with(["name": name]), in: container).run().succeeded()
        }
    }

    @Test(arguments: ["ADD", "CHECK", "DEL", "GC", "STATUS"])
    func aBadNetworkNameIsRefused(command: String) throws {
        let before = try host.state(container)
        for plugin in ProtocolTests.plugins {
            for name in Self.badIdentifiers {
                try host.call(command, host.network(plugin, with: ["name": .string(name)]), in: container).run()
                    .failed(7, "invalid characters found in network name", name)
            }
        }
        try host.expectUnchanged(since: before, container)
    }

    @Test(arguments: ["ADD", "CHECK", "DEL", "GC", "STATUS"], [nil, "", .null] as [Value?])
    func aMissingNetworkNameIsRefused(command: String, name: Value?) throws {
        for plugin in ProtocolTests.plugins {
            try host.call(command, host.network(plugin, with: ["name": name]), in: container).run()
                .failed(7, "missing network name")
        }
    }

    @Test(arguments: ["a", "123456789012345", "eth0.5", "a-b_c", "ä", "a;b", "-a", "\"", "a\\b"])
    func aGoodInterfaceNameIsUsedExactly(name: String) throws {
        let result = try host.add(host.network("bridge"), in: container, interface: name)
        #expect(result["interfaces"]?[2]?["name"] == .string(name))
        let found = try container.inside { try Network.links().compactMap { $0["ifname"]?.string } }
        #expect(Set(found) == ["lo", name])
        let check = host.call(
            "CHECK",
            host.network("bridge", with: ["prevResult": result]),
            in: container,
            interface: name
        )
        try check.run().succeeded()
        try host.call("DEL", host.network("bridge"), in: container, interface: name).run().succeeded()
        #expect(try container.inside { try Network.links().count } == 1)
    }

    @Test(arguments: ["%d", "eth%d", "e%"])
    func aNameThatTheKernelWouldTakeAsAPatternIsNeverReplacedByAnother(name: String) throws {
        let before = try host.state(container)
        let answer = try host.call("ADD", host.network("bridge"), in: container, interface: name).run()
        if answer.isSuccess {
            #expect(try container.inside { try Network.link(name) } != nil)
        } else {
            try host.expectUnchanged(since: before, container)
        }
    }

    @Test(
        arguments: ["ADD", "CHECK", "DEL"],
        [
            ("1234567890123456", "too long"), (String(repeating: "a", count: 300), "too long"),
            ("ääääääää", "too long"),
            (".", "interface name is . or .."), ("..", "interface name is . or .."),
            ("a:b", "contains / or : or whitespace"),
            ("a/b", "contains / or : or whitespace"), ("a b", "contains / or : or whitespace"),
            ("a\n", "contains / or : or whitespace"), ("a\u{a0}", "contains / or : or whitespace"),
            ("a\u{2003}", "contains / or : or whitespace"), ("a\u{85}", "contains / or : or whitespace"),
            ("\u{3000}", "contains / or : or whitespace"), ("a\t", "contains / or : or whitespace"),
        ]
    )
    func aBadInterfaceNameIsRefused(command: String, name: (text: String, reason: String)) throws {
        for plugin in ProtocolTests.plugins {
            try host.call(command, host.network(plugin), in: container, interface: name.text).run().failed(
                4,
                name.reason
            )
        }
    }

    @Test(arguments: ["/nowhere", "relative", "/etc/passwd", "/", "/dev/null", "/proc/self/ns/mnt"])
    func aNamespaceThatIsNoneIsRefusedByAdd(path: String) throws {
        for plugin in ["bridge", "loopback"] {
            let before = try host.state()
            try host.call("ADD", host.network(plugin), in: container).with(["CNI_NETNS": path]).run().failed(8, path)
            try host.expectUnchanged(since: before)
        }
    }
}
