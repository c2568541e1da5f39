// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// What calls cost when there are many ports.
@Suite("Cost", .ownNetworkNamespace)
struct CostTests {
    /// Every other port from one on, so that each has a line of its own in the record.
    private static func publication(_ first: Int, _ count: Int) -> Publication {
        Publication(.nftables, (0..<count).map { Mapping(first + 2 * $0, 80) }).with {
            ($0.id, $0.addresses) = ("c\(first)", ["10.88.0.\(first / 10000 + 2)/24"])
        }
    }

    /// Runs a call under a program that observes it.
    private static func observe(
        _ publication: Publication,
        _ command: String,
        _ program: String,
        _ options: [String]
    ) throws -> PluginProcess.Outcome {
        var process = publication.process(command)
        process.arguments = options + [process.executable]
        process.executable = try #require(Programs.path(program))
        process.limitSeconds = 600
        let outcome = try process.run()
        #expect(outcome.exitCode == 0, "\(outcome.stdoutText)\(outcome.stderrText)")
        return outcome
    }

    @Test(.enabled(if: Programs.path("valgrind") != nil, "needs valgrind, to count instructions"))
    func ofCHECKGrowsWithThePortsAndNotWithTheirSquare() throws {
        // Not every valgrind can read what the compiler says for debuggers.
        let directory = try TemporaryDirectory()
        try Programs.run("strip", "-o", directory.path("portmap"), Executables.path("portmap"))
        func instructions(_ first: Int, _ count: Int) throws -> Double {
            let publication = Self.publication(first, count).with { $0.directory = directory.path }
            try publication.call("ADD")
            let options = ["--tool=callgrind", "--callgrind-out-file=/dev/null"]
            let outcome = try Self.observe(publication, "CHECK", "valgrind", options)
            try publication.call("DEL")
            let word = outcome.stderrText.split(separator: "Collected : ").last?.prefix { $0.isNumber }
            return try #require(word.flatMap { Double($0) })
        }
        let (few, many) = (try instructions(10_000, 250), try instructions(20_000, 1000))
        #expect(many / few < 5, "\(few) and \(many)")
    }

    @Test(.enabled(if: Programs.path("strace") != nil, "needs strace, to count system calls"))
    func ofDELIsAsManySocketsForManyPortsAsForFew() throws {
        func sockets(_ first: Int, _ count: Int) throws -> Int {
            let publication = Self.publication(first, count)
            try publication.call("ADD")
            let outcome = try Self.observe(publication, "DEL", "strace", ["-f", "-e", "trace=socket"])
            return outcome.stderrText.split(separator: "\n").count { $0.contains("NETLINK_NETFILTER") }
        }
        // Who stays, so that the table does.
        try Self.publication(30_000, 1).call("ADD")
        let (few, many) = (try sockets(10_000, 2), try sockets(20_000, 50))
        #expect(few == many)
        #expect(1...6 ~= few, "\(few)")
    }
}
