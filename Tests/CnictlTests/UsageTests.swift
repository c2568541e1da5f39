// SPDX-License-Identifier: Apache-2.0

import Testing

/// The command line: what is explained, and what is refused.
@Suite struct UsageTests {
    private func cnictl(_ arguments: [String]) throws -> PrivateHost.Outcome {
        try PrivateHost.run("\(PrivateHost.directory)/cnictl", arguments)
    }

    @Test(arguments: ["add", "check", "del", "gc", "status", "try", "version", "help"])
    func everyCommandExplainsItself(_ command: String) throws {
        let outcome = try cnictl([command, "--help"])
        #expect(outcome.code == 0)
        #expect(outcome.output.contains("usage: cnictl"))
        #expect(outcome.error == "")
    }

    @Test(arguments: [
        [], ["frobnicate"], ["add"], ["add", "net"], ["del", "a", "b", "c"], ["gc"], ["try"],
        ["status", "net", "--frob"],
        ["gc", "net", "--keep"], ["gc", "net", "--keep", "x"], ["add", "net", "/x", "--keep", "a/b"],
        ["try", "f", "--publish", "80"], ["try", "f", "--publish", "0:80"], ["try", "f", "--publish", "80:80/icmp"],
        ["version", "now"], ["try", "f", "--hosts"], ["try", "f", "--hosts", "0"], ["try", "f", "--hosts", "10"],
        ["add", "net", "/x", "--hosts", "2"], ["try", "f", "--hosts", "2", "--publish", "80:80"],
        ["try", "f", "--network", "10.5.0.0/16"], ["try", "f", "--hosts", "2", "--network", "10.5.0.1/16"],
        ["try", "f", "--hosts", "2", "--network", "fd05::/48"],
    ])
    func misuseEndsWithTwoAndTheUsage(_ arguments: [String]) throws {
        let outcome = try cnictl(arguments)
        #expect(outcome.code == 2)
        #expect(outcome.output == "")
        #expect(outcome.error.hasPrefix("cnictl: ") && outcome.error.contains("usage: cnictl"))
    }

    @Test func versionNamesThoseOfTheProtocol() throws {
        let outcome = try cnictl(["version"])
        #expect(outcome.code == 0)
        #expect(outcome.output.contains("0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0"))
    }
}
