// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// VERSION, and what a plugin says of itself: sections 2 and 4.6.
@Suite("The protocol: versions and about text", .privateHost)
struct ProtocolTests {
    static let plugins = ["bridge", "host-local", "loopback", "tuning"]
    private static let everyVersion = Value.array(Schema.versions.map { .string($0) })

    @Test(
        arguments: plugins,
        [
            "", "garbage", "{", "[]", "null", "\u{0}", "\u{FEFF}{}", #"{"cniVersion":"9.9"}"#, #"{"cniVersion":7}"#,
            #"{"cniVersion":""}"#, #"{"cniVersion":"abc"}"#, #"{"cniVersion":null}"#,
            String(repeating: "[", count: 10_000),
            String(repeating: "x", count: 1 << 20),
        ]
    )
    func versionAnswersWhateverIsOnStandardInput(plugin: String, input: String) throws {
        var call = Call(plugin, "VERSION")
        call.input = .bytes(Array(input.utf8))
        let answer = try call.run().succeeded()
        #expect(answer.result == ["cniVersion": "1.1.0", "supportedVersions": Self.everyVersion])
    }

    @Test(arguments: plugins, Schema.versions)
    func versionAnswersInTheVersionOfTheQuestion(plugin: String, version: String) throws {
        let answer = try Call(plugin, "VERSION", ["cniVersion": .string(version)]).run().succeeded()
        #expect(answer.result == ["cniVersion": .string(version), "supportedVersions": Self.everyVersion])
    }

    @Test(arguments: plugins, [PluginProcess.Input.silence, .closed])
    func versionWaitsForNobody(plugin: String, input: PluginProcess.Input) throws {
        var call = Call(plugin, "VERSION")
        call.input = input
        let clock = ContinuousClock()
        let start = clock.now
        try call.run().succeeded()
        #expect(clock.now - start < .seconds(5))
    }

    @Test(arguments: plugins)
    func versionTakesTheVariablesThatRuntimesSend(plugin: String) throws {
        let call = Call(
            plugin,
            "VERSION",
            ["cniVersion": "1.0.0"],
            environment: [
                "CNI_NETNS": "dummy", "CNI_IFNAME": "dummy", "CNI_PATH": "dummy", "CNI_CONTAINERID": "",
            ]
        )
        #expect(try call.run().succeeded().result["cniVersion"] == "1.0.0")
    }

    @Test(arguments: plugins, [nil, ""])
    func withoutCommandAPluginIntroducesItself(plugin: String, command: String?) throws {
        let answer = try Call(plugin, "").with(["CNI_COMMAND": command]).run().succeeded()
        #expect(answer.stdout == "")
        let lines = answer.stderr.split(separator: "\n").map { String($0) }
        #expect(lines.count == 2)
        #expect(lines.last == "CNI protocol versions supported: \(Schema.versions.joined(separator: ", "))")
        // nerdctl reads the line, and wants at least v1.7.1 of the firewall.
        let first = try #require(try #/CNI (\S+) plugin v(\d+)\.(\d+)\.(\d+)\S*/#.wholeMatch(in: lines.first ?? ""))
        #expect(first.1 == plugin)
        let number = [first.2, first.3, first.4].compactMap { Int($0) }
        #expect(number.lexicographicallyPrecedes([1, 7, 1]) == false)
    }

    @Test(arguments: plugins, ["add", "Version", "XYZ", " ADD", "ADD\n", "ÄDD"])
    func anUnknownCommandIsRefused(plugin: String, command: String) throws {
        let host = try Host()
        let before = try host.state()
        let container = try ContainerNamespace()
        try host.call("ADD", host.network(plugin), in: container).with(["CNI_COMMAND": command]).run()
            .failed(4, "unknown CNI_COMMAND", command)
        try host.expectUnchanged(since: before)
    }
}
