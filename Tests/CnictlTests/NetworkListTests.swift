// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Which files make up a network, and in which version it is spoken to.
@Suite(.enabled(if: PrivateHost.isRoot, "needs root, for namespaces"))
struct NetworkListTests {
    private let network: RecordingNetwork

    /// Makes a network for this test.
    init() throws { network = try RecordingNetwork(plugins: ["one", "two", "three"]) }

    private func add() throws -> PrivateHost.Outcome { try network.script("$CNICTL add net /run/netns/blue") }

    @Test func pluginsOfTheFolderComeBehindThoseOfTheList() throws {
        try network.configure(#"{"cniVersion":"1.1.0","name":"net","plugins":[{"type":"one"}]}"#)
        try network.configure(#"{"type":"three"}"#, as: "net/20-b.conf")
        try network.configure(#"{"type":"two"}"#, as: "net/10-a.conf")
        try network.configure("not read", as: "net/30-c.json")
        let outcome = try add()
        #expect(outcome.code == 0, "\(outcome.error)")
        #expect(try network.calls().map { $0.title } == ["one ADD", "two ADD", "three ADD"])
    }

    @Test func theFolderIsEnough() throws {
        try network.configure(#"{"cniVersion":"1.1.0","name":"net"}"#)
        try network.configure(#"{"type":"two"}"#, as: "net/10-a.conf")
        #expect(try add().code == 0)
        #expect(try network.calls().map { $0.title } == ["two ADD"])
    }

    @Test func theFolderCanBeForbidden() throws {
        try network.configure(
            #"{"cniVersion":"1.1.0","name":"net","loadOnlyInlinedPlugins":true,"plugins":[{"type":"one"}]}"#
        )
        try network.configure(#"{"type":"two"}"#, as: "net/10-a.conf")
        #expect(try add().code == 0)
        #expect(try network.calls().map { $0.title } == ["one ADD"])
    }

    @Test(arguments: [
        (#"{"cniVersion":"1.1.0","name":"net"}"#, "no plugin configs found"),
        (#"{"cniVersion":"1.1.0","name":"net","loadOnlyInlinedPlugins":true}"#, "plugins is missing"),
        (#"{"cniVersion":"1.1.0","name":"net","plugins":[]}"#, "plugins is empty"),
        (#"{"cniVersion":"1.1.0","name":"net","plugins":[{"name":"x"}]}"#, "plugins[0]: type is missing"),
        (#"{"cniVersion":"9.9.9","name":"net","plugins":[{"type":"one"}]}"#, "incompatible CNI versions"),
        (
            #"{"cniVersion":"1.1.0","name":"net","disableGC":"no","plugins":[{"type":"one"}]}"#,
            "disableGC: must be true"
        ),
    ])
    func whatCannotBeANetworkIsRefused(_ text: String, _ complaint: String) throws {
        try network.configure(text)
        let outcome = try add()
        #expect(outcome.code == 1)
        #expect(outcome.error.contains(complaint) && outcome.error.contains("10-net.conflist"), "\(outcome.error)")
        #expect(try network.calls().isEmpty)
    }

    @Test(arguments: [
        (#""cniVersion":"0.3.1","cniVersions":["0.4.0","1.0.0"]"#, "1.0.0"),
        (#""cniVersion":"1.0.0","cniVersions":["0.4.0"]"#, "1.0.0"),
        (#""cniVersions":["0.4.0","1.1.0","1.2.0","2.0.0"]"#, "1.1.0"),
        (#""cniVersion":"7.0.0","cniVersions":["0.4.0"]"#, "0.4.0"),
        (#""cniVersion":"0.4.0""#, "0.4.0"),
    ])
    func theHighestVersionThatWeSpeakIsChosen(_ versions: String, _ chosen: String) throws {
        try network.configure("{\(versions),\"name\":\"net\",\"plugins\":[{\"type\":\"one\"}]}")
        let outcome = try add()
        #expect(outcome.code == 0, "\(outcome.error)")
        #expect(try network.calls().first?.input["cniVersion"] as? String == chosen)
    }

    @Test func listsComeBeforeSinglePluginsAndFilesAreSorted() throws {
        try network.configure(#"{"cniVersion":"1.0.0","name":"net","type":"one"}"#, as: "00-a.conf")
        try network.configure(#"{"cniVersion":"1.0.0","name":"net","plugins":[{"type":"three"}]}"#, as: "20-b.conflist")
        try network.configure(#"{"cniVersion":"1.0.0","name":"net","plugins":[{"type":"two"}]}"#, as: "10-z.conflist")
        #expect(try add().code == 0)
        #expect(try network.calls().map { $0.title } == ["two ADD"])
    }

    @Test(arguments: ["10-a.conf", "10-a.json"])
    func aSinglePluginIsAListOfOne(_ file: String) throws {
        try network.configure(#"{"cniVersion":"1.0.0","name":"net","type":"one","mine":true}"#, as: file)
        let outcome = try add()
        #expect(outcome.code == 0, "\(outcome.error)")
        #expect(try network.calls().first?.input["mine"] as? Bool == true)
    }

    @Test func aDamagedFileOfAnotherNetworkDoesNotMatter() throws {
        try network.configure("{", as: "00-broken.conflist")
        try network.configure(#"{"cniVersion":"1.0.0","name":"net","plugins":[{"type":"one"}]}"#)
        let outcome = try add()
        #expect(outcome.code == 0)
        #expect(outcome.error.contains("00-broken.conflist is passed over"))
    }

    @Test func anUnknownNetworkIsToldWithTheKnownOnes() throws {
        try network.configure(#"{"cniVersion":"1.0.0","name":"blue","plugins":[{"type":"one"}]}"#)
        let outcome = try add()
        #expect(outcome.code == 1)
        #expect(
            outcome.error.contains("no net configuration with name \"net\"") && outcome.error.contains("there are blue")
        )
    }
}
