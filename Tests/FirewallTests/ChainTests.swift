// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// The default chain of the runtimes, many at once, with some that are killed in the middle.
@Suite("The whole chain", .ownNetworkNamespace, .seeded)
struct ChainTests {
    private static let count = 40
    private static let plugins = ["bridge", "portmap", "firewall", "tuning"]

    /// How an ADD of a chain ended.
    private struct Ending: Sendable {
        /// What each plugin printed, as far as it came.
        var results: [String] = []
        var wasKilled = false
        var complaint = ""
    }

    /// What a container's calls have in common.
    private struct Member: Sendable {
        let number: Int
        let netns: String
        let directory: String

        /// The call of a plugin of the chain.
        func call(_ plugin: String, _ previous: String? = nil) -> PluginCall {
            let members: String
            switch plugin {
            case "bridge":
                members = """
                    ,"bridge":"br0","isDefaultGateway":true,"ipMasq":true,"hairpinMode":true,"ipam":{"type":"host-local",\
                    "dataDir":"\(directory)","ranges":[[{"subnet":"10.88.0.0/24"}],[{"subnet":"fd88::/64"}]]}
                    """
            case "portmap":
                members = """
                    ,"runtimeConfig":{"portMappings":[{"hostPort":\(8000 + number),"containerPort":80,"protocol":"tcp"},\
                    {"hostPort":\(9000 + number),"containerPort":90,"protocol":"udp"}]}
                    """
            case "firewall": members = #","ingressPolicy":"same-bridge""#
            default:
                members =
                    #","sysctl":{"net.ipv4.conf.IFNAME.arp_filter":"1"},"mtu":1400,"dataDir":"\#(directory)/tuning""#
            }
            return PluginCall(plugin, members).with {
                ($0.id, $0.netns, $0.previous) = ("c\(number)", netns, previous)
            }
        }

        /// Runs ADD of all plugins; one of them is killed in the middle if that is wanted.
        func add(killing victim: (plugin: String, killer: Killer, moment: Double)?) -> Ending {
            var ending = Ending()
            do {
                for plugin in ChainTests.plugins {
                    let process = call(plugin, ending.results.last).process("ADD")
                    let outcome =
                        if let victim, victim.plugin == plugin {
                            try victim.killer.run(process, at: victim.moment)
                        } else { try process.run() }
                    ending.wasKilled = outcome.signal != nil
                    if ending.wasKilled { return ending }
                    guard outcome.exitCode == 0 else {
                        ending.complaint = "\(plugin): \(outcome.stdoutText) \(outcome.stderrText)"
                        return ending
                    }
                    ending.results.append(outcome.stdoutText)
                }
            } catch { ending.complaint = "\(error)" }
            return ending
        }
    }

    /// Runs a body for each member, eight at a time.
    private func atOnce<Value: Sendable>(
        _ members: [Member],
        _ body: @escaping @Sendable (Member) -> Value
    ) -> [Value] {
        stride(from: 0, to: members.count, by: 8).flatMap { start in
            members[start...].prefix(8).map { member in BackgroundThread { body(member) } }.map { $0.join() }
        }
    }

    @Test func whatIsKilledIsCollectedAndTheRestGoesByItself() throws {
        _ = try Wire()
        for program in ["iptables", "ip6tables"] { try Programs.run(program, "-P", "FORWARD", "DROP") }
        let directory = try TemporaryDirectory()
        let containers = try (0..<Self.count).map { _ in try ContainerNamespace() }
        let members = containers.enumerated().map {
            Member(number: $0.offset, netns: $0.element.path, directory: directory.path)
        }
        // The bridge and its addresses stay after the last, and so does forwarding.
        #expect(members[0].add(killing: nil).complaint == "")
        try remove(members[0])
        let before = try (PacketFilter(), HostState())

        var random = SeededGenerator("chain")
        let killers = Self.plugins.map { ($0, Killer(guessedMicroseconds: $0 == "tuning" ? 3000 : 10_000)) }
        let victims = members.map { _ -> (plugin: String, killer: Killer, moment: Double)? in
            guard let moment = random.moment(share: 1 / 2) else { return nil }
            let (plugin, killer) = killers[Int.random(in: killers.indices, using: &random)]
            return (plugin, killer, moment)
        }
        let endings = atOnce(members) { $0.add(killing: victims[$0.number]) }
        for ending in endings { #expect(ending.complaint == "") }
        let living = members.filter { !endings[$0.number].wasKilled }
        #expect(living.count >= 10 && living.count < Self.count)
        // A child of one that was killed, such as iptables, still ends its work.
        try #require(try eventually { try Orphans.areGone() })

        let ids = living.map { "c\($0.number)" }
        for plugin in Self.plugins { try members[0].call(plugin).collect(keeping: ids) }
        let rules = try PacketFilter()
        for member in members {
            let isThere = rules.contains("\"lan/c\(member.number)/eth0\"")
            #expect(isThere == !endings[member.number].wasKilled, "c\(member.number)")
            #expect(rules.contains("tcp . \(8000 + member.number) ") == isThere, "c\(member.number)")
            #expect(rules.contains("cni lan/c\(member.number)/eth0") == isThere, "c\(member.number)")
        }
        for member in living {
            let results = endings[member.number].results
            for plugin in Self.plugins { try member.call(plugin, results.last).call("CHECK") }
        }
        let complaints = atOnce(living) { member -> String in
            do { try remove(member, endings[member.number].results.last) } catch { return "\(error)" }
            return ""
        }
        #expect(complaints.allSatisfy { $0.isEmpty }, "\(complaints)")

        #expect(try PacketFilter() == before.0)
        var difference = ""
        _ = try eventually {
            difference = try HostState().difference(from: before.1).description
            return difference.isEmpty
        }
        #expect(difference == "")
        // Hidden files that were being written when their writer was killed say nothing to anybody.
        #expect(try Programs.run("ls", directory.path("tuning")) == "")
        let leases = try Programs.run("ls", directory.path("lan")).split(separator: "\n")
        #expect(leases.filter { $0.hasPrefix("10.") || $0.hasPrefix("fd") } == [])
    }

    /// DEL of all plugins, the last one first.
    private func remove(_ member: Member, _ previous: String? = nil) throws {
        for plugin in Self.plugins.reversed() {
            let outcome = try member.call(plugin, previous).process("DEL").run()
            if outcome.exitCode != 0 { throw ProgramFailure(description: "\(plugin) DEL: \(outcome.stdoutText)") }
        }
    }
}
