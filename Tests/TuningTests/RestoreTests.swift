// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// DEL gives back and removes what is there, and never fails; GC removes what nobody will ask for.
@Suite("DEL and GC of tuning", .ownNetworkNamespace)
struct RestoreTests {
    private let network: TunedNetwork

    init() throws { network = try TunedNetwork() }

    @Test(arguments: TunedNetwork.versions) func twice(version: String) throws {
        try network.add(TunedNetwork.everything, version: version)
        for _ in 0..<2 {
            let outcome = try network.succeed(network.process("DEL", TunedNetwork.everything, version: version))
            #expect(outcome.stdoutText == "" && outcome.stderrText == "")
        }
        #expect(try network.properties() == TunedNetwork.untouched)
        #expect(try network.files() == [])
    }

    @Test func withoutAnyADDNothingHappens() throws {
        let before = try network.state()
        try network.succeed(network.process("DEL", TunedNetwork.everything))
        try network.expectUnchanged(since: before)
        #expect(try HostState(directories: [network.directory.path("run")]).description.contains("does not exist"))
    }

    @Test func withAPreviousResult() throws {
        let result = try network.add(TunedNetwork.everything)
        try network.succeed(network.process("DEL", TunedNetwork.everything, previous: result))
        #expect(try network.properties() == TunedNetwork.untouched)
    }

    @Test func withAConfigurationThatChangedMeanwhile() throws {
        try network.add(TunedNetwork.everything)
        try network.succeed(network.process("DEL", ""))
        #expect(try network.properties() == TunedNetwork.untouched)
        #expect(try network.files() == [])
    }

    enum Loss: CaseIterable { case unnamed, removed, plainFile, interface }

    @Test(arguments: Loss.allCases) func afterTheLossOf(loss: Loss) throws {
        try network.add(TunedNetwork.everything)
        var netns = network.container.path
        switch loss {
        case .unnamed: netns = ""
        case .removed: network.container.removePath()
        case .plainFile: network.container.leavePlainFile()
        case .interface: try network.inside("ip", "link", "delete", "eth0")
        }
        try network.succeed(network.process("DEL", TunedNetwork.everything, netns: netns))
        #expect(try network.files() == [])
    }

    @Test(
        arguments: [
            "", "{", "[]", "null", #"{"mac":7}"#, #"{"mac":"x"}"#, #"{"mtu":-1}"#, #"{"network":5}"#,
            String(repeating: "[", count: 5000), "\u{0}",
        ]
    )
    func withAFileThatIsSpoilt(content: String) throws {
        try network.add(#""mtu":1400"#)
        try network.directory.write(content, to: "run/tuning/c1_eth0.json")
        let outcome = try network.succeed(network.process("DEL", #""mtu":1400"#))
        #expect(outcome.stdoutText == "")
        #expect(outcome.stderrText.contains("\(network.dataDir)/c1_eth0.json"))
        #expect(outcome.stderrText.split(separator: "\n").count == 1)
        #expect(try network.files() == [])
        #expect(try network.properties()["mtu"] == "1400")
    }

    @Test func withAFileOfNothing() throws {
        try network.add(#""mtu":1400"#)
        try network.directory.write("{}", to: "run/tuning/c1_eth0.json")
        try network.succeed(network.process("DEL", #""mtu":1400"#))
        #expect(try network.files() == [])
    }

    @Test func whatCannotBeRestoredIsToldAndTheRestIsDone() throws {
        try network.add(#""mtu":1400,"mac":"02:00:00:00:00:99""#)
        try network.directory.write(
            #"{"mac":"ff:ff:ff:ff:ff:ff","mtu":1500}"#,
            to: "run/tuning/c1_eth0.json"
        )
        let outcome = try network.succeed(network.process("DEL"))
        #expect(outcome.stderrText.contains("cannot restore mac"))
        #expect(try network.properties()["mtu"] == "1500")
        #expect(try network.files() == [])
    }

    @Test func aNamespaceThatCannotBeOpenedKeepsTheFile() throws {
        try network.add(#""mtu":1400"#)
        // More links than the kernel follows: nobody can say whether there is a namespace behind them.
        try network.inside("ln", "-s", "loop", network.directory.path("loop"))
        let loop = network.directory.path("loop")
        let outcome = try network.succeed(network.process("DEL", #""mtu":1400"#, netns: loop))
        #expect(outcome.stderrText.contains("ELOOP"))
        #expect(try network.files() == ["c1_eth0.json"])
        try network.succeed(network.process("DEL", #""mtu":1400"#))
        #expect(try network.properties() == TunedNetwork.untouched)
    }

    @Test func aSecondADDKeepsTheFirstValues() throws {
        try network.add(#""mtu":1400"#)
        try network.add(#""mtu":1300,"txQLen":77"#)
        #expect(try network.text().contains("1500"))
        try network.succeed(network.process("DEL", #""mtu":1300,"txQLen":77"#))
        #expect(try network.properties() == TunedNetwork.untouched)
    }

    @Test func valuesOfAnotherNetworkAreReplaced() throws {
        try network.directory.write(
            #"{"mtu":9000,"network":"other"}"#,
            to: "run/tuning/c1_eth0.json"
        )
        try network.add(#""txQLen":77"#)
        #expect(try !network.text().contains("9000"))
    }

    private func attachments(_ pairs: (String, String)...) -> String {
        let list = pairs.map { #"{"containerID":"\#($0.0)","ifname":"\#($0.1)"}"# }.joined(separator: ",")
        return #""cni.dev/valid-attachments":[\#(list)]"#
    }

    private func fill() throws {
        for (id, name) in [("c1", "lan"), ("c2", "lan"), ("c3", "other")] {
            try network.succeed(network.process("ADD", #""mtu":1400"#, network: name, id: id))
        }
        let reference = "{\n \"mtu\": 1500\n}"
        try network.directory.write(reference, to: "run/tuning/c4_eth0.json", permissions: 0o600)
        try network.directory.write("{", to: "run/tuning/c5_eth0.json")
        try network.directory.write(#"{"network":"lan"}"#, to: "run/tuning/notes.txt")
        try network.directory.write(#"{"network":"lan"}"#, to: "run/tuning/.new.0123456789abcdef")
    }

    private static let foreign = ["c3_eth0.json", "c4_eth0.json", "c5_eth0.json", "notes.txt"]

    @Test func garbageOfThisNetworkAloneIsCollected() throws {
        try fill()
        try network.succeed(network.process("GC", attachments(("c1", "eth0"), ("c2", "eth1"), ("c9", "eth0"))))
        #expect(try network.files() == ["c1_eth0.json"] + Self.foreign)
        try network.succeed(network.process("GC", attachments()))
        #expect(try network.files() == Self.foreign)
        // The interface itself is left alone.
        #expect(try network.properties()["mtu"] == "1400")
    }

    @Test func withoutAListNothingIsCollected() throws {
        try fill()
        let before = try network.files()
        try network.succeed(network.process("GC", ""))
        #expect(try network.files() == before)
    }

    @Test func whatAKilledADDLeftIsRemovedByDEL() throws {
        try network.add(#""mtu":1400"#)
        let process = network.process("ADD", #""mtu":1400"#, environment: ["CNI_TRACE": "stderr"])
        try network.succeed(process)
        try network.succeed(network.process("DEL"))
        #expect(try network.files() == [])
    }
}
