// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// What only the iptables backend has to take care of.
@Suite("Chains of iptables", .ownNetworkNamespace)
struct ChainTests {
    private static let mappings = [
        Mapping(8080, 80), Mapping(8081, 81, "udp"), Mapping(8080, 82, on: "192.0.2.1"),
        Mapping(8080, 83, on: "2001:db8::1"),
    ]

    private static let shield =
        #"-A PREROUTING -d 127.0.0.0/8 ! -i lo -m comment --comment "CNI portfwd loopback" -j DROP"#

    /// Deletes a rule as iptables lists it, or puts another one behind the last.
    private func replace(_ rule: String, _ front: String, with other: String? = nil) throws {
        let table = rule == Self.shield ? "raw" : "nat"
        let lines = ["*\(table)", "-D" + rule.dropFirst(2)] + (other.map { [$0] } ?? []) + ["COMMIT", ""]
        let directory = try TemporaryDirectory()
        let path = directory.path + "/rules"
        try lines.joined(separator: "\n").write(toFile: path, atomically: false, encoding: .utf8)
        try Programs.run("\(front)-restore", "--noflush", path)
    }

    @Test(
        arguments: ["", #","masqAll":true"#, #","conditionsV4":["!","-d","198.51.100.0/24"]"#],
        ["iptables", "ip6tables"]
    )
    func checkComparesEachRule(members: String, front: String) throws {
        let publication = Publication(.iptables, Self.mappings).with { $0.more = members }
        try publication.call("ADD")
        try publication.call("CHECK")
        let rules = try Programs.run("\(front)-save").split(separator: "\n").map { String($0) }.filter {
            $0.hasPrefix("-A ")
        }
        #expect(rules.count { $0.contains("DNAT --to-destination") } == 3)
        #expect(rules.contains(Self.shield) == (front == "iptables"))
        for rule in rules {
            try replace(rule, front)
            #expect(try publication.failure("CHECK").text.contains("c1"), "without \(rule)")
            try publication.call("ADD")
            try publication.call("CHECK")
        }
        for rule in rules where rule.contains("port") && !rule.contains("portfwd") {
            // Another port of the host, then another one of the container.
            for (part, change) in [("(?<=port )80|(?<=ports )80", "90"), (#"(?<=:)8(?=\d$)"#, "9")] {
                let other = rule.replacingOccurrences(of: part, with: change, options: .regularExpression)
                if other == rule { continue }
                try replace(rule, front, with: other)
                #expect(try publication.failure("CHECK").text.contains("c1"), "\(other) in place of \(rule)")
                try publication.call("ADD")
            }
        }
        try publication.call("CHECK")
        try publication.call("DEL")
        #expect(try Rules().isEmpty)
    }

    @Test func theLoopbackIsGuardedFromTheFirstToTheLast() throws {
        let first = Publication(.iptables, [Mapping(8080, 80)])
        let second = first.with {
            ($0.id, $0.addresses, $0.mappings) = ("c2", ["10.88.0.3/24"], [Mapping(8081, 80)])
        }
        // Where nobody is masqueraded, the loopback has no way out.
        try first.with { $0.more = #","snat":false"# }.call("ADD")
        #expect(try !Rules().contains(Self.shield))
        try second.call("ADD")
        try first.call("ADD")
        #expect(try Rules().iptables.count { $0 == Self.shield } == 1)
        try second.call("DEL")
        #expect(try Rules().iptables.count { $0 == Self.shield } == 1)
        try first.call("DEL")
        #expect(try Rules().isEmpty)
    }

    @Test func theDeadYieldInBothFamiliesAndTheLivingInNone() throws {
        let dead = Publication(.iptables, [Mapping(8080, 80), Mapping(8090, 90)])
        let living = Publication(.iptables, [Mapping(8070, 70)]).with {
            ($0.id, $0.addresses) = ("c3", ["10.88.0.9/24", "fd88::9/64"])
        }
        try dead.call("ADD")
        try living.call("ADD")
        let before = try Rules()
        let heir = dead.with { ($0.id, $0.addresses) = ("c2", ["10.88.0.2/24", "fd88::7/64"]) }
        let failure = try heir.with { $0.mappings = [Mapping(8080, 80), Mapping(8070, 70)] }.failure("ADD")
        #expect(failure.code == 108)
        #expect(failure.text.contains("c3"), "\(failure)")
        #expect(try Rules() == before)
        try heir.with { $0.mappings = [Mapping(8080, 80)] }.call("ADD")
        #expect(try !Rules().contains("8090"))
        #expect(try !Rules().contains("fd88::2"))
        try living.call("CHECK")
        try living.call("DEL")
        try heir.call("DEL")
        #expect(try Rules().isEmpty)
    }

    @Test func olderTablesAreServedAlike() throws {
        let directory = try TemporaryDirectory()
        for family in ["iptables", "ip6tables"] {
            for verb in ["save", "restore"] {
                try FileManager.default.createSymbolicLink(
                    atPath: "\(directory.path)/\(family)-\(verb)",
                    withDestinationPath: "/usr/sbin/\(family)-legacy-\(verb)"
                )
            }
        }
        let publication = Publication(.iptables, Self.mappings).with {
            $0.environment["PATH"] = "\(directory.path):/usr/sbin:/usr/bin"
        }
        try publication.call("ADD")
        #expect(try Programs.run("iptables-legacy-save").contains(Self.shield))
        try publication.call("CHECK")
        #expect(try Rules().nftables.isEmpty)
        // DEL finds them wherever they are.
        try publication.with { $0.environment = [:] }.call("DEL")
        for program in ["iptables-legacy-save", "ip6tables-legacy-save"] {
            #expect(try !Programs.run(program).contains("\n-A"))
        }
    }
}
