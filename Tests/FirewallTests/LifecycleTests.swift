// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// DEL, CHECK and GC with whatever the runtime still knows, ADD that fails in the middle, and what is refused.
@Suite("Firewall comes and goes", .ownNetworkNamespace)
struct LifecycleTests {
    /// Where rules are made.
    enum Place: String, CaseIterable, Sendable { case nft, legacy, named, admitted, policy, both }

    /// Prepares the host, and returns the configuration's members.
    private func prepare(_ place: Place) throws -> String {
        if place == .nft || place == .admitted || place == .both {
            try AdmissionTests.Dropper.nft.run("-P", "FORWARD", "DROP")
        }
        if place == .legacy { try AdmissionTests.Dropper.legacy.run("-P", "FORWARD", "DROP") }
        if place == .named { return #","backend":"iptables""# }
        if place == .admitted { return #","admitFrom":["10.5.0.0/16","fd05::/48","0.0.0.0/0"]"# }
        return place == .policy || place == .both ? #","ingressPolicy":"same-bridge""# : ""
    }

    private func call(_ number: Int, _ members: String, network: String = "lan") -> PluginCall {
        PluginCall("firewall", members).with {
            ($0.id, $0.network) = ("c\(number)", network)
            $0.previous = PluginCall.result(["10.88.0.\(number + 1)/24", "fd88::\(number + 1)/64"])
        }
    }

    @Test(arguments: Place.allCases) func aDELNeedsNothing(place: Place) throws {
        let members = try prepare(place)
        let before = try PacketFilter()
        let ways: [(name: String, change: (inout PluginCall) -> Void)] = [
            ("as it was", { _ in }), ("without previous result", { $0.previous = nil }),
            ("with the namespace gone", { $0.netns = "/run/netns/none" }), ("without keys", { $0.members = "" }),
            ("with another administrator's chain", { $0.members = #","iptablesAdminChainName":"OTHERS""# }),
            ("with the backend nftables", { $0.members = #","backend":"nftables""# }),
            ("by its name alone", { ($0.previous, $0.members) = (nil, "") }),
        ]
        for way in ways {
            try call(1, members).call("ADD")
            #expect(try PacketFilter() != before)
            for _ in 0..<2 {
                try call(1, members).with(way.change).call("DEL")
                let rules = try PacketFilter()
                #expect(rules == before, "\(way.name): \(rules)")
            }
            try call(1, members).call("DEL")
        }
    }

    @Test(arguments: Place.allCases) func aDELTakesNothingOfOthers(place: Place) throws {
        let members = try prepare(place)
        let empty = try PacketFilter()
        // A number with more digits, and the same container on another network.
        let others = [call(11, members), call(2, members), call(21, members, network: "wan").with { $0.id = "c1" }]
        for other in others { try other.call("ADD") }
        let before = try PacketFilter()
        try call(1, members).call("ADD")
        #expect(try PacketFilter() != before)
        try call(1, members).call("DEL")
        #expect(try PacketFilter() == before)
        for other in others { try other.call("CHECK") }
        for other in others { try other.call("DEL") }
        #expect(try PacketFilter() == empty)
    }

    @Test(arguments: Place.allCases) func anADDTwiceIsOne(place: Place) throws {
        let members = try prepare(place)
        try call(1, members).call("ADD")
        let before = try PacketFilter()
        try call(1, members).call("ADD")
        #expect(try PacketFilter() == before)
        try call(1, members).call("CHECK")
    }

    @Test(arguments: Place.allCases, ["null", "list", "[]"])
    func garbageIsWhatNobodyNamesAsValid(place: Place, valid: String) throws {
        let members = try prepare(place)
        let empty = try PacketFilter()
        for number in 1...4 { try call(number, members).call("ADD") }
        let wan = call(5, members, network: "wan")
        try wan.call("ADD")
        let all = try PacketFilter()
        try call(0, members).with { $0.previous = nil }.call("GC")
        #expect(try PacketFilter() == all)
        for _ in 0..<2 {
            if valid == "list" {
                try call(0, "").collect(keeping: ["c2", "c3"])
            } else {
                try call(0, "").collect(json: valid)
            }
        }
        for number in 1...4 {
            if valid == "list", number == 2 || number == 3 {
                try call(number, members).call("CHECK")
            } else {
                #expect(try call(number, members).failure("CHECK").code == 105)
                #expect(try !PacketFilter().contains("lan/c\(number)/eth0"))
            }
        }
        try wan.call("CHECK")
        for number in 1...4 { try call(number, members).call("DEL") }
        try wan.call("DEL")
        #expect(try PacketFilter() == empty)
    }

    @Test(arguments: Place.allCases, [true, false]) func afterEachStepAllIsUndone(place: Place, isInUse: Bool) throws {
        let members = try prepare(place)
        if isInUse { try call(2, members).call("ADD") }
        let before = try PacketFilter()
        let steps = try call(1, members).failAfterEachStep { said in
            let rules = try PacketFilter()
            #expect(rules == before, said)
        }
        #expect(steps == (place == .policy || place == .both ? 2 : 1))
        #expect(try PacketFilter() != before)
        try call(1, members).call("DEL")
        #expect(try PacketFilter() == before)
    }

    @Test func aPolicyThatIsRefusedTakesBackTheRules() throws {
        let members = try prepare(.both)
        try call(1, members).call("ADD")
        let before = try PacketFilter()
        let failure = try call(2, #","ingressPolicy":"isolated""#).failure("ADD")
        #expect(failure.code == 104 && failure.text.contains("br0"), "\(failure)")
        #expect(try PacketFilter() == before)
    }

    private static let changes: [Place: [String]] = [
        .nft: [
            "iptables -D FORWARD 1", "iptables -D CNI-FORWARD 1", "iptables -D CNI-FORWARD 2",
            "iptables -D CNI-FORWARD 3",
            "ip6tables -D CNI-FORWARD 2", "ip6tables -F CNI-FORWARD", "ip6tables -F FORWARD",
            "iptables -R CNI-FORWARD 3 -s 10.88.0.9 -m comment --comment cni_lan/c1/eth0 -j ACCEPT",
        ],
        .legacy: [
            "iptables-legacy -D FORWARD 1", "ip6tables-legacy -D CNI-FORWARD 3", "iptables-legacy -F CNI-FORWARD",
        ],
        .admitted: [
            "iptables -D CNI-FORWARD 4", "iptables -D CNI-FORWARD 5", "ip6tables -D CNI-FORWARD 4",
            "ip6tables -D CNI-FORWARD 5",
            "iptables -R CNI-FORWARD 4 -s 10.6.0.0/16 -d 10.88.0.2 -m comment --comment cni_lan/c1/eth0 -j ACCEPT",
        ],
        .policy: [
            "nft delete element inet swift_cni_firewall guarded { \"br0\" }",
            "nft flush chain inet swift_cni_firewall forward", "nft flush map inet swift_cni_firewall bridges",
            "nft delete table inet swift_cni_firewall", "chain",
        ],
    ]

    @Test(arguments: [Place.nft, .legacy, .admitted, .policy]) func aCheckFindsWhatIsMissingOrChanged(
        place: Place
    ) throws {
        let members = try prepare(place)
        let before = try PacketFilter()
        let call = call(1, members)
        for change in Self.changes[place] ?? [] {
            try call.call("ADD")
            try call.call("CHECK")
            var words = change.split(separator: " ").map { String($0).replacing("_lan", with: " lan") }
            if change == "chain" {
                let line = try PacketFilter().nftables.split(separator: "\n").first { $0.hasPrefix("\tchain from-") }
                let chain = try #require(line?.split(separator: " ").dropFirst().first.map { String($0) })
                words = ["nft", "flush chain inet swift_cni_firewall \(chain)"]
            }
            try Programs.run(words[0], Array(words.dropFirst()))
            let failure = try call.failure("CHECK")
            #expect(failure.code == 105, "\(change): \(failure)")
            try call.call("DEL")
            #expect(try PacketFilter() == before, "\(change)")
        }
    }

    @Test func anIsolatedPortIsChecked() throws {
        let host = try Neighbourhood()
        let call = host.firewall(0, #","ingressPolicy":"isolated""#)
        try call.call("ADD")
        try call.call("CHECK")
        let links = try Programs.run("ip", "-o", "link", "show", "master", "br0").split(separator: "\n")
        for link in links {
            let name = try #require(link.split(separator: " ").dropFirst().first?.split(separator: "@").first)
            try Programs.run("ip", "link", "set", "dev", String(name), "type", "bridge_slave", "isolated", "off")
        }
        let failure = try call.failure("CHECK")
        #expect(failure.code == 105 && failure.text.contains("isolated"), "\(failure)")
    }

    @Test func aRolledBackADDLeavesThePortAsItWas() throws {
        let host = try Neighbourhood()
        let before = try HostState()
        let call = host.firewall(0, #","ingressPolicy":"isolated""#)
        let steps = try call.failAfterEachStep { said in
            let difference = try HostState().difference(from: before)
            #expect(difference.isEmpty, said)
        }
        #expect(steps == 2)
        #expect(try !HostState().difference(from: before).isEmpty)
    }

    @Test(arguments: ["ADD", "CHECK"]) func withoutAPreviousResultItIsToldWhereItBelongs(command: String) throws {
        for members in ["", #","ingressPolicy":"isolated""#, #","backend":"iptables""#] {
            let failure = try call(1, members).with { $0.previous = nil }.failure(command)
            #expect(failure.code == 7 && failure.text.contains("missing prevResult from earlier plugin"), "\(failure)")
        }
        #expect(try PacketFilter().isEmpty)
    }

    @Test func aPolicyNeedsABridge() throws {
        let without = #"{"cniVersion":"1.1.0","ips":[{"address":"10.88.0.2/24"}]}"#
        let nameless = PluginCall.result(["10.88.0.2/24"], bridge: "")
        for (result, text) in [(without, "interface needs to be set"), (nameless, "got empty bridge name")] {
            let call = call(1, #","ingressPolicy":"same-bridge""#).with { $0.previous = result }
            let failure = try call.failure("ADD")
            #expect(failure.code == 7 && failure.text.contains(text), "\(failure)")
            try call.call("DEL")
        }
        #expect(try PacketFilter().isEmpty)
    }

    @Test(arguments: [
        (#","backend":"ebtables""#, "backend", "ebtables"), (#","backend":7"#, "backend", "string"),
        (#","ingressPolicy":"closed""#, "ingressPolicy", "closed"),
        (#","iptablesAdminChainName":"A B""#, "iptablesAdminChainName", "A B"),
        (#","firewalldZone":"a b""#, "firewalldZone", "a b"),
        (#","admitFrom":"10.5.0.0/16,10.6.0.0""#, "admitFrom", #""10.6.0.0" is not a network"#),
        (#","admitFrom":["fd05::/129"]"#, "admitFrom[0]", #""fd05::/129" is not a network"#),
        (#","admitFrom":["10.5.0.0/16",7]"#, "admitFrom[1]", "must be a string"),
        (#","admitFrom":{"v4":"10.5.0.0/16"}"#, "admitFrom", "must be a string"),
    ])
    func whatMakesNoSenseIsNamed(members: String, path: String, word: String) throws {
        try AdmissionTests.Dropper.nft.run("-P", "FORWARD", "DROP")
        let before = try PacketFilter()
        for command in ["ADD", "CHECK", "STATUS"] {
            let failure = try call(1, members).failure(command)
            #expect(failure.code == 7, "\(command): \(failure)")
            #expect(failure.text.contains(path) && failure.text.contains(word), "\(command): \(failure)")
        }
        #expect(try PacketFilter() == before)
    }

    @Test func aStatusMakesNoRules() throws {
        for members in ["", #","backend":"iptables""#, #","ingressPolicy":"isolated""#] {
            try call(1, members).call("STATUS")
        }
        #expect(try PacketFilter().isEmpty)
        let directory = try TemporaryDirectory()
        try directory.write("", to: "libnftables.so.1")
        let poor = call(1, #","ingressPolicy":"isolated""#).with { $0.environment["LD_LIBRARY_PATH"] = directory.path }
        let failure = try poor.failure("STATUS")
        #expect(failure.code == 50 && failure.text.contains("libnftables1"), "\(failure)")
        try poor.with { $0.members = "" }.call("STATUS")
    }

    @Test func itSaysWhatItIs() throws {
        let outcome = try PluginProcess(Executables.path("firewall")).run()
        #expect(outcome.exitCode == 0)
        #expect(outcome.stdout == [])
        let words = outcome.stderrText.split(separator: "\n").first?.split(separator: " ").map { String($0) } ?? []
        try #require(words.count == 4, "\(outcome.stderrText)")
        #expect(words[..<3] == ["CNI", "firewall", "plugin"])
        // nerdctl takes what is behind the v for a version, which must be 1.1.0 or later.
        let numbers = words[3].dropFirst().split(separator: ".").compactMap { Int($0) }
        #expect(words[3].hasPrefix("v") && numbers.count == 3 && numbers[0] >= 2)
    }

    @Test(
        .enabled(if: Programs.exists("/usr/lib/cni/firewall"), "needs Debian's containernetworking-plugins"),
        arguments: ["", #","backend":"iptables""#, #","ingressPolicy":"same-bridge""#]
    )
    func leftoversOfTheReferenceGoWithAPreviousResult(members: String) throws {
        for number in [1, 2] {
            try call(number, #","backend":"iptables""#).with {
                ($0.directory, $0.version) = ("/usr/lib/cni", "1.0.0")
                $0.previous = $0.previous?.replacingVersion("1.0.0")
            }.call("ADD")
        }
        let others = try PacketFilter().iptables.filter { !$0.contains("10.88.0.2/") && !$0.contains("fd88::2/") }
        #expect(try PacketFilter().contains("10.88.0.2/32"))
        #expect(others.contains { $0.contains("10.88.0.3/32") })
        try call(1, members).call("DEL")
        #expect(try PacketFilter().iptables == others)
        // Both may be at work at once.
        try call(1, members).call("ADD")
        try call(1, members).call("CHECK")
        try call(1, members).call("DEL")
        #expect(try PacketFilter().iptables == others)
        try call(2, members).call("DEL")
        let rest = try PacketFilter()
        #expect(rest.isEmpty, "\(rest)")
    }
}

extension String {
    /// The same with another version of the protocol.
    fileprivate func replacingVersion(_ version: String) -> String { replacing("1.1.0", with: version) }
}
