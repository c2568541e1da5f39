// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// What macspoofchk does to frames, and what it leaves.
@Suite("macspoofchk", .ownNetworkNamespace)
struct SpoofCheckTests {
    private let network = GuardedNetwork()
    private let directory: TemporaryDirectory
    private let (first, second): (ContainerNamespace, ContainerNamespace)

    init() throws {
        directory = try TemporaryDirectory()
        (first, second) = (try ContainerNamespace(), try ContainerNamespace())
    }

    private func mac(_ container: ContainerNamespace) throws -> String {
        let text = try container.inside { try Programs.run("ip", "-o", "link", "show", "eth0") }
        let words = text.split(separator: " ")
        return String(words[try #require(words.firstIndex(of: "link/ether")) + 1])
    }

    @Test func onlyFramesWithTheContainersOwnAddressPass() throws {
        try network.call("ADD", first)
        try network.call("ADD", second, id: "c2")
        let sender = try FrameSocket(first)
        let receiver = try FrameSocket(second)
        sender.send(1, from: "02:11:22:33:44:55")
        sender.send(2, from: try mac(second))
        sender.send(3, from: try mac(first))
        #expect(receiver.receive() == 3)
        #expect(try Programs.run("nft", "list", "counter", "bridge", "swift_cni", "forged").contains("packets 2"))
        // The other one is guarded by its own rule.
        receiver.send(4, from: try mac(first))
        receiver.send(5, from: try mac(second))
        #expect(sender.receive() == 5)
    }

    @Test func withoutTheCheckForgedFramesPass() throws {
        try network.unguarded.call("ADD", first)
        try network.call("ADD", second, id: "c2")
        let sender = try FrameSocket(first)
        let receiver = try FrameSocket(second)
        sender.send(1, from: "02:11:22:33:44:55")
        #expect(receiver.receive() == 1)
    }

    @Test func theRulesAreWhatTheManualSays() throws {
        try network.call("ADD", first, interface: "eth\"0'")
        let veth = try #require(try Rules.ports().first)
        let mac = try first.inside { try Programs.run("ip", "-o", "link", "show", "eth\"0'") }.split(separator: " ")
        let address = mac[try #require(mac.firstIndex(of: "link/ether")) + 1]
        // The element of each line is listed in the order of the kernel's hash.
        let lines = try Programs.run("nft", "-s", "list", "ruleset").split(separator: "\n").map(String.init)
        let records = lines.filter { $0.contains(" comment ") }.map { line in
            line.trimmingCharacters(in: .whitespaces).replacing("elements = { ", with: "").replacing(" }", with: "")
                .trimmingCharacters(in: [","])
        }
        #expect(
            Set(records) == [
                "\"\(veth)\" . 0 comment \"lan/c1/eth'0'\" : jump kept",
                "\"\(veth)\" . 1 comment \"guarded '\(veth)'\" : jump kept",
                "\"\(veth)\" . 2 comment \"allowed '\(veth)' . \(address)\" : jump kept",
            ]
        )
        #expect(
            lines.filter { !$0.contains(" comment ") }.joined(separator: "\n") == """
                table bridge swift_cni {
                \tcounter forged {
                \t}
                \tmap records {
                \t\ttype ifname . inet_service : verdict
                \t}
                \tset guarded {
                \t\ttype ifname
                \t\telements = { "\(veth)" }
                \t}
                \tset allowed {
                \t\ttype ifname . ether_addr
                \t\telements = { "\(veth)" . \(address) }
                \t}
                \tchain kept {
                \t}
                \tchain prerouting {
                \t\ttype filter hook prerouting priority dstnat; policy accept;
                \t\tiifname @guarded iifname . ether saddr != @allowed counter name "forged" drop
                \t}
                }
                """
        )
    }

    @Test func anADDDeletesNothing() throws {
        let traced = network.with(environment: ["CNI_TRACE": directory.path("trace")])
        try traced.call("ADD", first)
        try traced.call("ADD", second, id: "c2")
        let lines = try String(contentsOfFile: directory.path("trace"), encoding: .utf8).split(separator: "\n")
        #expect(lines.contains { $0.hasPrefix("create table") })
        // The second one finds the table, and needs no library.
        #expect(lines.count { $0.hasPrefix("create element") } == 3)
        #expect(lines.contains { $0.contains("nf_tables add elements to bridge swift_cni") })
        #expect(!lines.contains { $0.hasPrefix("delete") || $0.hasPrefix("flush") })
        // What the kernel itself refused would cost as much as a deletion; the library found the missing table.
        #expect(!lines.contains { $0.contains("Could not process rule") })
    }

    @Test func theLibraryIsLoadedOnlyForTheCheck() throws {
        let loading = network.with(environment: ["LD_DEBUG": "files"])
        for (command, container) in [("STATUS", nil), ("ADD", first), ("DEL", first), ("GC", nil)] {
            let without = try loading.unguarded.process(command, container).run()
            #expect(without.exitCode == 0)
            #expect(without.stderrText.contains("libc.so"))
            #expect(!without.stderrText.contains("libnftables"))
        }
        let with = try loading.process("ADD", first).run()
        #expect(with.exitCode == 0 && with.stderrText.contains("libnftables"))
    }

    @Test func withoutTheLibraryItSaysWhatToInstall() throws {
        try directory.write("", to: "lib/libnftables.so.1")
        let poor = network.with(environment: ["LD_LIBRARY_PATH": directory.path("lib")])
        let status = try poor.failure("STATUS")
        #expect(status.code == 50 && status.text.contains("libnftables1"))
        let add = try poor.failure("ADD", first)
        #expect(add.code == 104 && add.text.contains("libnftables1"))
        #expect(try Rules.ports() == [])
        try network.call("ADD", first)
        try poor.call("DEL", first)
        #expect(try Rules.ports() == [])
        try poor.unguarded.call("STATUS")
        try network.call("STATUS")
    }

    @Test func aStatusMakesNoRules() throws {
        let before = try Rules.all()
        try network.call("STATUS")
        #expect(try Rules.all() == before)
    }

    @Test func aCheckFindsWhatIsMissingOrChanged() throws {
        let result = try network.call("ADD", first)
        let pair = try #require(try Rules.pairs().first)
        try network.call("ADD", second, id: "c2")
        let checked = network.with(#","prevResult":\#(result)"#)
        try checked.call("CHECK", first)
        let veth = pair.split(separator: " ")[0]
        for change in [
            "flush set bridge swift_cni guarded", "flush set bridge swift_cni allowed",
            "delete element bridge swift_cni guarded { \(veth) }",
            "delete element bridge swift_cni allowed { \(pair) }",
            "delete element bridge swift_cni allowed { \(pair) }; "
                + "add element bridge swift_cni allowed { \(veth) . 02:00:00:00:00:01 }",
            "flush chain bridge swift_cni prerouting", "flush map bridge swift_cni records",
            "delete table bridge swift_cni",
        ] {
            let saved = try Programs.run("nft", "list", "ruleset")
            try Programs.run("nft", change)
            #expect(try checked.failure("CHECK", first).code == 105, "\(change)")
            let file = try directory.write("flush ruleset\n\(saved)", to: "saved.nft")
            try Programs.run("nft", "-f", file)
            try checked.call("CHECK", first)
        }
    }
}
