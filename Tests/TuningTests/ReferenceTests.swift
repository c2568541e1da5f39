// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// Side by side with the plugin of the Go suite.
@Suite(
    "tuning and the reference",
    .ownNetworkNamespace,
    .enabled(
        if: FileManager.default.isExecutableFile(atPath: "/usr/lib/cni/tuning"),
        "needs /usr/lib/cni/tuning of containernetworking-plugins"
    )
)
struct ReferenceTests {
    private static let plugin = "/usr/lib/cni/tuning"
    private let network: TunedNetwork
    /// What Debian's release knows: not txQLen.
    private let members = #""mac":"02:00:00:00:00:99","promisc":true,"mtu":1400,"allmulti":true"#
    private let tuned = TunedNetwork.tuned.merging(["txQLen": "1000"]) { $1 }

    init() throws { network = try TunedNetwork() }

    private func call(_ command: String, _ plugin: String) throws {
        try network.succeed(network.process(command, members, version: "1.0.0", plugin: plugin))
    }

    @Test(arguments: [true, false]) func eachUndoesWhatTheOtherDid(isOursFirst: Bool) throws {
        let ours = Executables.path("tuning")
        let (first, second) = isOursFirst ? (ours, Self.plugin) : (Self.plugin, ours)
        try call("ADD", first)
        #expect(try network.properties() == tuned)
        #expect(try network.files() == ["c1_eth0.json"])
        try call("CHECK", second)
        try call("DEL", second)
        #expect(try network.properties() == TunedNetwork.untouched)
        #expect(try network.files() == [])
        try call("DEL", first)
    }

    @Test func theFileIsTheSameButForOneMember() throws {
        try call("ADD", Self.plugin)
        let theirs = try network.text()
        try call("DEL", Self.plugin)
        try call("ADD", Executables.path("tuning"))
        #expect(try network.text() == theirs.replacing("\n}", with: ",\n \"network\": \"lan\"\n}"))
    }

    @Test(arguments: TunedNetwork.versions.dropLast()) func theResultIsTheSame(version: String) throws {
        var texts: [String] = []
        for plugin in [Self.plugin, Executables.path("tuning")] {
            // The reference renames the interface on the host as well, if it has the same name.
            let previous = network.result(version, mtu: false)
                .replacing(#"{"name":"eth0","mac":"02:00:00:00:00:77"}"#, with: #"{"name":"veth0"}"#)
            let process = network.process("ADD", members, version: version, previous: previous, plugin: plugin)
            texts.append(try network.succeed(process).stdoutText)
            try network.succeed(network.process("DEL", members, version: version, plugin: plugin))
        }
        let objects = try texts.map { text in
            var object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
            // Debian's release prints it under every version, the newest one no longer under 1.0.0.
            object?["dns"] = nil
            return object as NSDictionary?
        }
        #expect(objects[0] == objects[1], "\(texts)")
    }
}
