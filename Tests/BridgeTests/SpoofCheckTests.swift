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
        let (chain, veth) = (try #require(try Rules.chains().first), try #require(try Rules.ports().first))
        let mac = try first.inside { try Programs.run("ip", "-o", "link", "show", "eth\"0'") }.split(separator: " ")
        let address = mac[try #require(mac.firstIndex(of: "link/ether")) + 1]
        #expect(chain.utf8.count == 36 && chain.dropFirst(4).hasPrefix(veth.dropFirst(4)))
        #expect(
            try Programs.run("nft", "-s", "list", "ruleset") == """
                table bridge swift_cni {
                \tcounter forged {
                \t}

                \tmap spoofguard {
                \t\ttype ifname : verdict
                \t\telements = { "\(veth)" : jump \(chain) }
                \t}

                \tchain prerouting {
                \t\ttype filter hook prerouting priority dstnat; policy accept;
                \t\tiifname vmap @spoofguard
                \t}

                \tchain \(chain) {
                \t\tether saddr != \(address) counter name "forged" drop comment "lan/c1/eth'0'"
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
        #expect(lines.count { $0.hasPrefix("add element") } == 3)
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
        try network.call("ADD", second, id: "c2")
        let checked = network.with(#","prevResult":\#(result)"#)
        try checked.call("CHECK", first)
        let (chain, veth) = (try chain(of: "c1"), try port(of: "c1"))
        for change in [
            "flush chain bridge swift_cni \(chain)",
            "flush chain bridge swift_cni \(chain); add rule bridge swift_cni \(chain) ether saddr != 02:00:00:00:00:01 drop",
            "delete element bridge swift_cni spoofguard { \"\(veth)\" : jump \(chain) }",
            "flush chain bridge swift_cni prerouting", "delete table bridge swift_cni",
        ] {
            let saved = try Programs.run("nft", "list", "ruleset")
            try Programs.run("nft", change)
            #expect(try checked.failure("CHECK", first).code == 105, "\(change)")
            let file = try directory.write("flush ruleset\n\(saved)", to: "saved.nft")
            try Programs.run("nft", "-f", file)
            try checked.call("CHECK", first)
        }
    }

    /// The chain of a container, found by its comment.
    private func chain(of id: String) throws -> String {
        let lines = try Programs.run("nft", "-s", "list", "ruleset").split(separator: "\n")
        let rule = try #require(lines.firstIndex { $0.contains("\"lan/\(id)/eth0\"") })
        return String(lines[rule - 1].split(separator: " ")[1])
    }

    private func port(of id: String) throws -> String { "veth" + (try chain(of: id)).dropFirst(4).prefix(11) }
}
