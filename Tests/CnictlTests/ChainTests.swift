// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// What plugins are told, and in which order.
@Suite(.enabled(if: PrivateHost.isRoot, "needs root, for namespaces"))
struct ChainTests {
    private let network: RecordingNetwork

    /// Makes a network for this test.
    init() throws { network = try RecordingNetwork() }

    private func list(_ version: String = "1.1.0", _ more: String = "", one: String = "") -> String {
        """
        {"cniVersion":"\(version)","name":"net",\(more)
         "plugins":[{"type":"one","keep":[1.50]\(one)},{"type":"two","name":"other","cniVersion":"0.1.0"}]}
        """
    }

    private func interface(of call: RecordingNetwork.Call) -> String? {
        ((call.previous?["interfaces"] as? [[String: Any]])?.first?["name"]) as? String
    }

    @Test func addGoesForwardAndChainsTheRawResult() throws {
        try network.configure(list())
        let outcome = try network.script("$CNICTL add net /run/netns/blue")
        let calls = try network.calls()
        #expect(outcome.code == 0, "\(outcome.error)")
        try #require(calls.map { $0.title } == ["one ADD", "two ADD"])
        #expect(calls[0].previous == nil)
        #expect(interface(of: calls[1]) == "one")
        // A member that nobody knows, and the version that the plugin left out.
        #expect(calls[1].previous?["strange"] as? Int == 1)
        #expect(calls[1].previous?["cniVersion"] as? String == "1.1.0")
        #expect(calls.map { $0.input["name"] as? String } == ["net", "net"])
        #expect(calls.map { $0.input["cniVersion"] as? String } == ["1.1.0", "1.1.0"])
        #expect((outcome.json["interfaces"] as? [[String: Any]])?.first?["name"] as? String == "two")
    }

    @Test func theContainerIsNamedAsCnitoolNamesIt() throws {
        try network.configure(list())
        _ = try network.script("cd /run/netns && $CNICTL add net ./../netns//blue", ["CNI_IFNAME": "net7"])
        // printf %s /run/netns/blue | sha512sum | cut -c1-20
        #expect(try network.calls().first?.attachment == "cnitool-df26705e2e4ffd095eb1/net7")
    }

    @Test func deleteGoesBackwardWithTheLastResult() throws {
        try network.configure(list())
        let outcome = try network.script(
            "$CNICTL add net /run/netns/blue >/dev/null && $CNICTL del net /run/netns/blue && find /var/lib/cni -type f"
        )
        let calls = try network.calls()
        #expect(outcome.code == 0, "\(outcome.error)")
        try #require(calls.map { $0.title } == ["one ADD", "two ADD", "two DEL", "one DEL"])
        #expect(calls[2...].map { interface(of: $0) } == ["two", "two"])
        #expect(outcome.output == "")
    }

    @Test func checkGoesForwardWithTheLastResult() throws {
        try network.configure(list("0.4.0"))
        let outcome = try network.script(
            "$CNICTL add net /run/netns/blue >/dev/null && $CNICTL check net /run/netns/blue"
        )
        #expect(outcome.code == 0, "\(outcome.error)")
        #expect(try network.calls().suffix(2).map { $0.title } == ["one CHECK", "two CHECK"])
        #expect(try network.calls().suffix(2).map { interface(of: $0) } == ["two", "two"])
    }

    @Test func beforeFourThereIsNoCheckAndNoResultForDelete() throws {
        try network.configure(list("0.3.1"))
        let outcome = try network.script(
            """
            $CNICTL add net /run/netns/blue >/dev/null
            $CNICTL check net /run/netns/blue; echo $?
            $CNICTL del net /run/netns/blue; echo $?
            """
        )
        #expect(outcome.output == "1\n0\n")
        #expect(outcome.error.contains("does not support CHECK"))
        let calls = try network.calls()
        try #require(calls.map { $0.title } == ["one ADD", "two ADD", "two DEL", "one DEL"])
        #expect(calls[2].previous == nil)
    }

    @Test(arguments: ["true", "\"true\"", "\"TRUE\"", "false", "\"false\""])
    func disableCheckIsABooleanOrAString(_ value: String) throws {
        try network.configure(list("1.0.0", "\"disableCheck\":\(value),"))
        let outcome = try network.script("$CNICTL check net /run/netns/blue")
        #expect(outcome.code == 0, "\(outcome.error)")
        #expect(try network.calls().isEmpty == value.lowercased().contains("true"))
    }

    @Test func runtimeConfigurationIsWhatBothSidesKnow() throws {
        try network.configure(
            list("1.0.0", one: ",\"capabilities\":{\"mac\":true,\"ips\":false,\"portMappings\":true}")
        )
        let outcome = try network.script(
            "$CNICTL add net /run/netns/blue",
            ["CAP_ARGS": #"{"mac":"02:00:00:00:00:01","ips":["10.1.0.9"],"dns":{}}"#]
        )
        let calls = try network.calls()
        #expect(outcome.code == 0, "\(outcome.error)")
        try #require(calls.count == 2)
        #expect(calls[0].input["runtimeConfig"] as? [String: String] == ["mac": "02:00:00:00:00:01"])
        #expect(calls[1].input["runtimeConfig"] == nil)
    }

    @Test func argumentsAreHandedOn() throws {
        try network.configure(list())
        _ = try network.script("$CNICTL add net /run/netns/blue", ["CNI_ARGS": "IP=10.1.0.9;IgnoreUnknown=1"])
        #expect(try network.calls().map { $0.arguments } == Array(repeating: "IP=10.1.0.9;IgnoreUnknown=1", count: 2))
    }

    @Test func statusStopsAtTheFirstThatIsNotReady() throws {
        try network.configure(list())
        try network.fail("one", at: "STATUS")
        let outcome = try network.script("$CNICTL status net")
        #expect(outcome.code == 1)
        #expect(try network.calls().map { $0.title } == ["one STATUS"])
    }

    @Test func aFailedAddIsLeftToDelete() throws {
        try network.configure(list())
        try network.fail("two", at: "ADD")
        let outcome = try network.script(
            "$CNICTL add net /run/netns/blue --json; c=$?; ls -A /var/lib; exit $c"
        )
        #expect(outcome.code == 1)
        #expect(try network.calls().map { $0.title } == ["one ADD", "two ADD"])
        #expect(outcome.error == "cnictl: plugin two failed (ADD): two is broken: by the test\n")
        #expect(outcome.json["code"] as? Int == 123)
        #expect(outcome.json["msg"] as? String == "two is broken")
        #expect(outcome.json["details"] as? String == "by the test")
    }

    @Test func aMissingPluginIsNamedWithThePlacesSearched() throws {
        try network.configure(#"{"cniVersion":"1.0.0","name":"net","plugins":[{"type":"absent"}]}"#)
        let outcome = try network.script("$CNICTL add net /run/netns/blue", ["CNI_PATH": "/nowhere:/else"])
        #expect(outcome.code == 1)
        #expect(outcome.output == "")
        #expect(outcome.error.contains("plugin absent failed (ADD)") && outcome.error.contains("[/nowhere /else]"))
    }
}
