// SPDX-License-Identifier: Apache-2.0

import Foundation
import Linux
import Support
import Testing

/// What ADD and DEL cost does not depend on how many leases there are.
@Suite(.enabled(if: Programs.path("strace") != nil, "needs strace, to count system calls")) struct CostTests {
    /// The system calls of one call of the plugin.
    private func systemCalls(_ network: HostLocalNetwork, _ command: String, _ containerID: String) throws -> Int {
        let log = try network.writeBeside("", to: "strace")
        var process = network.process(command, containerID)
        process.arguments = ["-f", "-o", log, "--", process.executable]
        process.executable = try #require(Programs.path("strace"))
        let outcome = try process.run()
        #expect(outcome.exitCode == 0, "\(outcome.stdoutText)\(outcome.stderrText)")
        return try String(contentsOfFile: log, encoding: .utf8).utf8.count { $0 == UInt8(ascii: "\n") }
    }

    /// The costs in a store that somebody else has filled, after one call that makes the index.
    private func costs(leases: Int) throws -> (add: Int, delete: Int) {
        let network = try HostLocalNetwork(#","subnet":"10.0.0.0/16""#)
        try FileManager.default.createDirectory(atPath: network.path, withIntermediateDirectories: true)
        let directory = try FileDescriptor.open(network.path, [.read, .directory])
        for number in 2..<(leases + 2) {
            let file = try directory.open("10.0.\(number >> 8).\(number & 255)", [.write, .create], permissions: 0o600)
            try file.writeAll(Array("container\(number)\r\neth0".utf8))
        }
        try network.write("10.0.\((leases + 1) >> 8).\((leases + 1) & 255)", to: "last_reserved_ip.0")
        _ = try network.add("first")
        let add = try systemCalls(network, "ADD", "second")
        let delete = try systemCalls(network, "DEL", "container7")
        #expect(try network.leases().count == leases + 1)
        #expect(network.read("10.0.0.7") == nil)
        return (add, delete)
    }

    @Test func addAndDeleteMakeAsManySystemCallsWithSixtyThousandLeasesAsWithTen() throws {
        let (few, many) = (try costs(leases: 10), try costs(leases: 60_000))
        #expect(abs(Double(many.add) / Double(few.add) - 1) <= 0.05, "ADD: \(few.add) and \(many.add)")
        #expect(abs(Double(many.delete) / Double(few.delete) - 1) <= 0.05, "DEL: \(few.delete) and \(many.delete)")
    }
}
