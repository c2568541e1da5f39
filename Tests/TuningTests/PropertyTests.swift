// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// What ADD changes, what it says of it, and that DEL gives it back.
@Suite("Tuned properties", .ownNetworkNamespace)
struct PropertyTests {
    private let network: TunedNetwork

    init() throws { network = try TunedNetwork() }

    @Test(
        arguments: [
            ("mac", #""02:00:00:00:00:99""#, "02:00:00:00:00:99"),
            ("mac", #""02-00-00-00-00-AB""#, "02:00:00:00:00:ab"),
            ("promisc", "true", "true"), ("mtu", "1400", "1400"), ("allmulti", "true", "true"), ("txQLen", "0", "0"),
            ("txQLen", "77", "77"),
        ]
    )
    func oneIsChangedKeptAndRestored(key: String, written: String, value: String) throws {
        let members = "\"\(key)\":\(written)"
        let before = try network.state()
        try network.add(members)
        #expect(try network.properties() == TunedNetwork.untouched.merging([key: value]) { $1 })
        let kept = try JSONSerialization.jsonObject(with: Data(network.text().utf8)) as? [String: Any]
        #expect(Set(kept?.keys.map { $0 } ?? []) == [key, "network"])
        try network.succeed(network.process("CHECK", members))
        try network.succeed(network.process("DEL", members))
        try network.expectUnchanged(since: before)
    }

    @Test func allOfThemTogether() throws {
        let before = try network.state()
        try network.add(TunedNetwork.everything)
        #expect(try network.properties() == TunedNetwork.tuned)
        #expect(try network.setting("ipv4/conf/eth0/arp_filter") == "1")
        #expect(try network.setting("core/somaxconn") == "500")
        try network.succeed(network.process("CHECK", TunedNetwork.everything))
        try network.succeed(network.process("DEL", TunedNetwork.everything))
        #expect(try network.properties() == TunedNetwork.untouched)
        #expect(try network.files() == [])
        // The settings go with the namespace.
        #expect(try network.setting("core/somaxconn") == "500")
        try network.inside("sh", "-c", "echo 0 >/proc/sys/net/ipv4/conf/eth0/arp_filter")
        try network.inside("sh", "-c", "echo 4096 >/proc/sys/net/core/somaxconn")
        try network.expectUnchanged(since: before)
    }

    @Test func theFileIsAsTheReferenceWritesIt() throws {
        try network.add(TunedNetwork.everything)
        #expect(
            try network.text() == """
                {
                 "mac": "02:00:00:00:00:01",
                 "promisc": false,
                 "mtu": 1500,
                 "allmulti": false,
                 "txQLen": 1000,
                 "network": "lan"
                }
                """
        )
        let manager = FileManager.default
        let mode = { try manager.attributesOfItem(atPath: $0)[.posixPermissions] as? NSNumber }
        #expect(try mode("\(network.dataDir)/c1_eth0.json")?.intValue == 0o600)
        #expect(try mode(network.dataDir)?.intValue == 0o700)
        #expect(try mode(network.directory.path("run"))?.intValue == 0o755)
    }

    @Test func whatIsAlreadyOnIsRestoredToOn() throws {
        try network.inside("ip", "link", "set", "eth0", "promisc", "on", "allmulticast", "on")
        let members = #""promisc":true,"allmulti":false"#
        try network.add(members)
        #expect(try network.properties()["allmulti"] == "false")
        #expect(try network.text().contains("\"promisc\": true"))
        try network.succeed(network.process("DEL", members))
        let after = try network.properties()
        #expect(after["promisc"] == "true" && after["allmulti"] == "true")
    }

    @Test(arguments: TunedNetwork.versions)
    func theResultIsTheOneBeforeWithTheNewValues(version: String) throws {
        let printed = try network.add(#""mac":"02:00:00:00:00:99","mtu":1400"#, version: version)
        let expected = network.result(version)
            .replacing(TunedNetwork.oldMAC, with: TunedNetwork.newMAC).replacing("1500", with: "1400")
        #expect(try object(printed, version) == object(expected, version))
    }

    /// A result without what old versions print in any case.
    private func object(_ text: String, _ version: String) throws -> NSDictionary? {
        var object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        if version < "1.0.0" { object?["dns"] = nil }
        return object as NSDictionary?
    }

    @Test func aResultWithoutMTUGetsNone() throws {
        let process = network.process("ADD", #""mtu":1400"#, previous: network.result(mtu: false))
        #expect(try !network.succeed(process).stdoutText.contains("mtu"))
    }

    @Test func withoutASandboxTheNameDecides() throws {
        let previous = #"{"interfaces":[{"name":"eth0","mac":"02:00:00:00:00:01"},{"name":"eth1"}]}"#
        let process = network.process("ADD", #""mac":"02:00:00:00:00:99""#, previous: previous)
        let printed = try network.succeed(process).stdoutText
        #expect(printed.contains("02:00:00:00:00:99") && !printed.contains("02:00:00:00:00:01"))
        #expect(printed.components(separatedBy: "02:00:00:00:00:99").count == 2)
    }

    @Test(arguments: [
        "", #""promisc":false"#, #""mtu":0"#, #""sysctl":{}"#, #""mac":"""#, #""mac":null,"txQLen":null"#,
    ])
    func withNothingToDoTheNamespaceIsNotEvenLookedAt(members: String) throws {
        for command in ["ADD", "CHECK", "DEL"] {
            var process = network.process(command, members, netns: "/nowhere")
            process.environment["CNI_TRACE"] = "stderr"
            let outcome = try network.succeed(process)
            #expect(outcome.stderrText == "")
            #expect(outcome.stdoutText.contains(TunedNetwork.oldMAC) == (command == "ADD"))
        }
        #expect(try network.files() == [])
    }

    @Test func anInterfaceNameWithDotsStaysWhole() throws {
        let network = try TunedNetwork(interface: "eth0.100")
        let members = #""sysctl":{"net.ipv4.conf.IFNAME.arp_filter":"1","net/core/somaxconn":"501"}"#
        try network.succeed(network.process("ADD", members, interface: "eth0.100"))
        #expect(try network.setting("ipv4/conf/eth0.100/arp_filter") == "1")
        #expect(try network.setting("core/somaxconn") == "501")
        try network.succeed(network.process("CHECK", members, interface: "eth0.100"))
    }

    @Test func theKernelsSpellingOfAValueIsTheSameValue() throws {
        let members = #""sysctl":{"net.ipv4.ip_local_port_range":"20000 30000"}"#
        try network.add(members)
        #expect(try network.setting("ipv4/ip_local_port_range") == "20000\t30000")
        try network.succeed(network.process("CHECK", members))
    }

    @Test func aSettingThatCanOnlyBeWrittenIsWritten() throws {
        let members = #""sysctl":{"net.ipv4.route.flush":"1"}"#
        try network.add(members)
        try network.succeed(network.process("CHECK", members))
    }
}
