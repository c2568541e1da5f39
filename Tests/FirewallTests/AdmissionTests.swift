// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// Packets of containers on hosts whose own rules would stop them.
@Suite("Admission", .ownNetworkNamespace)
struct AdmissionTests {
    /// Who drops forwarded packets.
    enum Dropper: String, CaseIterable, Sendable {
        case nft = ""
        case legacy = "-legacy"

        /// Runs a command of both families.
        func run(_ arguments: String...) throws {
            for front in ["iptables", "ip6tables"] { try Programs.run("\(front)\(rawValue)", arguments) }
        }
    }

    private static let sentence =
        "the host's chain FORWARD drops by policy; packets of containers pass by CNI-FORWARD"

    private func expectOpen(
        _ host: Neighbourhood,
        _ isOpen: Bool,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        for isV6 in [false, true] {
            let said: Comment = "IPv6 \(isV6)"
            let out = try host.reaches(0, nil, isV6: isV6, isWanted: isOpen)
            #expect(out == isOpen, said, sourceLocation: sourceLocation)
            let published = try host.reaches(nil, 0, isV6: isV6, port: 8080, isWanted: isOpen)
            #expect(published == isOpen, said, sourceLocation: sourceLocation)
        }
    }

    @Test(arguments: ["", #","backend":"nftables""#, #","admitFrom":"10.5.0.0/16,fd05::/48""#])
    func withoutForeignRulesNothingIsDone(key: String) throws {
        let host = try Neighbourhood()
        let directory = try TemporaryDirectory()
        let call = host.firewall(0, key).with {
            $0.environment = ["LD_DEBUG": "files", "CNI_TRACE": directory.path("trace")]
        }
        for command in ["ADD", "CHECK", "STATUS", "GC", "DEL"] {
            let outcome = try call.outcome(command)
            #expect(outcome.stderrText.contains("libc.so"))
            #expect(!outcome.stderrText.contains("libnftables"), "\(command)")
            #expect(try Programs.run("nft", "list", "ruleset") == "", "\(command)")
            let trace = (try? String(contentsOfFile: directory.path("trace"), encoding: .utf8)) ?? ""
            #expect(!trace.contains("iptables") && !trace.contains("create table"), "\(command)")
        }
        let printed = try JSONSerialization.jsonObject(with: Data(call.outcome("ADD").stdout)) as? NSDictionary
        let given = try JSONSerialization.jsonObject(with: Data(host.results[0].utf8)) as? NSDictionary
        #expect(printed == given)
    }

    @Test(arguments: Dropper.allCases) func whatThePolicyDropsPasses(dropper: Dropper) throws {
        let host = try Neighbourhood()
        try host.publish(0, 8080)
        try expectOpen(host, true)
        try dropper.run("-P", "FORWARD", "DROP")
        let before = try PacketFilter()
        try expectOpen(host, false)
        // Nobody comes in by another way than a published port.
        let call = host.firewall(0)
        let outcome = try call.outcome("ADD")
        #expect(outcome.stderrText.contains(Self.sentence), "\(outcome.stderrText)")
        try expectOpen(host, true)
        #expect(try !host.reaches(nil, 0, isWanted: false))
        #expect(try !host.reaches(1, nil, isWanted: false))
        try call.call("CHECK")
        try call.call("DEL")
        try expectOpen(host, false)
        #expect(try PacketFilter() == before)
    }

    @Test func bothVariantsMayDrop() throws {
        let host = try Neighbourhood()
        try host.publish(0, 8080)
        for dropper in Dropper.allCases { try dropper.run("-P", "FORWARD", "DROP") }
        let before = try PacketFilter()
        let call = host.firewall(0)
        try call.call("ADD")
        try expectOpen(host, true)
        try call.call("CHECK")
        try call.call("DEL")
        #expect(try PacketFilter() == before)
        try expectOpen(host, false)
    }

    @Test func aRuleThatDropsIsPassedToo() throws {
        let host = try Neighbourhood()
        try Dropper.nft.run("-A", "FORWARD", "-j", "REJECT")
        try host.publish(0, 8080)
        try expectOpen(host, false)
        let outcome = try host.firewall(0).outcome("ADD")
        #expect(!outcome.stderrText.contains("drops by policy"))
        try expectOpen(host, true)
    }

    @Test func thePolicyIsSpokenOfOnce() throws {
        let host = try Neighbourhood()
        try Dropper.nft.run("-P", "FORWARD", "DROP")
        #expect(try host.firewall(0).outcome("ADD").stderrText.contains(Self.sentence))
        let later = try host.firewall(1).outcome("ADD").stderrText
        #expect(!later.contains(Self.sentence))
    }

    @Test func iptablesIsUsedWhereItIsAskedFor() throws {
        let host = try Neighbourhood()
        try host.publish(0, 8080)
        let before = try PacketFilter()
        let call = host.firewall(0, #","backend":"iptables""#)
        try call.call("ADD")
        expectGolden("nftables/firewall-iptables.txt", try PacketFilter().iptables.joined(separator: "\n") + "\n")
        try Dropper.nft.run("-P", "FORWARD", "DROP")
        try expectOpen(host, true)
        try call.call("CHECK")
        try call.call("DEL")
        #expect(try PacketFilter() == before)
    }

    @Test(arguments: Dropper.allCases, ["CNI-ADMIN", "OUR-ADMIN"])
    func theAdministratorsRulesWinAndStay(dropper: Dropper, chain: String) throws {
        let host = try Neighbourhood()
        try host.publish(0, 8080)
        try dropper.run("-P", "FORWARD", "DROP")
        let calls = [0, 1].map { host.firewall($0, #","iptablesAdminChainName":"\#(chain)""#) }
        try calls[0].call("ADD")
        try expectOpen(host, true)
        try dropper.run("-A", chain, "-p", "udp", "--dport", "8080", "-j", "DROP")
        #expect(try !host.reaches(nil, 0, port: 8080, isWanted: false))
        #expect(try host.reaches(0, nil, isWanted: true))
        try calls[1].call("ADD")
        #expect(try !host.reaches(nil, 0, port: 8080, isWanted: false))
        for call in calls { try call.call("CHECK") }
        for call in calls { try call.call("DEL") }
        let rest = try PacketFilter().iptables
        #expect(rest.count { $0.contains("--dport 8080 -j DROP") } == 2, "\(rest)")
        #expect(!rest.contains { $0.contains("CNI-FORWARD") }, "\(rest)")
        // It holds again for those who come later.
        try calls[0].call("ADD")
        #expect(try !host.reaches(nil, 0, port: 8080, isWanted: false))
        #expect(try host.reaches(0, nil, isWanted: true))
    }

    @Test(arguments: Dropper.allCases) func aChainThatWasThereBeforeTheFirstIsKept(dropper: Dropper) throws {
        let host = try Neighbourhood()
        try dropper.run("-N", "CNI-ADMIN")
        try dropper.run("-A", "CNI-ADMIN", "-p", "udp", "--dport", "9", "-j", "DROP")
        try dropper.run("-P", "FORWARD", "DROP")
        let before = try PacketFilter()
        let call = host.firewall(0)
        try call.call("ADD")
        try call.call("DEL")
        #expect(try PacketFilter() == before)
    }
}
