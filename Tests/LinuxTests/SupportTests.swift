// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Linux
import Support
import Testing

/// The tools that the other tests rely on.
@Suite(.ownNetworkNamespace) struct SupportTests {
    @Test func aDifferenceReadsLikeThatOfDiff() throws {
        let old = (1...20).map { "line \($0)\n" }.joined()
        let new = old.replacingOccurrences(of: "line 5\n", with: "").replacingOccurrences(
            of: "line 16",
            with: "changed"
        )
        let directory = try TemporaryDirectory()
        let arguments = [
            "-u", "--label", "expected", "--label", "actual", try directory.write(old, to: "old"),
            try directory.write(new, to: "new"),
        ]
        let outcome = try PluginProcess(try #require(Programs.path("diff")), arguments: arguments).run()
        #expect(UnifiedDiff(old, new).description + "\n" == outcome.stdoutText)
        #expect(UnifiedDiff(old, old).isEmpty)
        #expect(!UnifiedDiff("a", "a\n").isEmpty)
    }

    @Test func eachTestHasANamespaceWithTheLoopbackUp() throws {
        let links = try Programs.run("ip", "-o", "link")
        #expect(links.hasPrefix("1: lo: <LOOPBACK,UP,LOWER_UP>"))
        #expect(links.split(separator: "\n").count { !$0.contains("DOWN") } == 1)
    }

    @Test func aStateIsEqualToItselfAndShowsWhatChanged() throws {
        let before = try HostState()
        #expect(try HostState() == before)
        try Programs.run("ip", "link", "add", "name", "extra0", "type", "bridge")
        try Sysctl.write("net/ipv4/ip_forward", "1")
        let difference = try HostState().difference(from: before).description
        #expect(difference.contains("+    \"ifname\" : \"extra0\""))
        #expect(difference.contains("-net/ipv4/ip_forward = 0\n"))
        #expect(difference.contains("+net/ipv4/ip_forward = 1\n"))
        try Programs.run("ip", "link", "delete", "extra0")
        try Sysctl.write("net/ipv4/ip_forward", "0")
        #expect(try HostState().difference(from: before).description == "")
    }

    @Test func aStateCanPassOverAddressesAndNumbers() throws {
        let states = try (0..<2).map { round in
            try Programs.run("ip", "link", "add", "name", "again0", "type", "bridge")
            defer { _ = try? Programs.run("ip", "link", "delete", "again0") }
            return try (HostState(), HostState(normalising: [.addresses, .indexes]))
        }
        #expect(states[0].0 != states[1].0)
        #expect(states[0].1.difference(from: states[1].1).description == "")
    }

    @Test func aDirectoryTreeShowsNamesContentsAndModes() throws {
        let directory = try TemporaryDirectory()
        try directory.write("c1\r\neth0", to: "net/10.0.0.2", permissions: 0o600)
        try FileManager.default.createSymbolicLink(atPath: directory.path("link"), withDestinationPath: "net")
        let text = try FileTree.text(directory.path)
        #expect(text == "700 .//\n777 ./link -> net\n755 ./net/\n600 ./net/10.0.0.2 8 bytes: \"c1\\r\\neth0\"")
    }

    @Test func streamsThatAreClosedOrBrokenAreSeenByTheProgram() throws {
        var process = PluginProcess("/bin/sh", arguments: ["-c", "echo out; echo $? >&2; cat; echo $? >&2"])
        process.environment = ["PATH": "/usr/bin:/bin", "LC_ALL": "C"]
        #expect(try process.run().stderrText == "0\n0\n")
        process.output = .closed
        #expect(try process.run().stderrText.contains("Bad file descriptor"))
        process.output = .full
        #expect(try process.run().stderrText.contains("error"))
        process.output = .brokenPipe
        #expect(try process.run().signal == Int(SIGPIPE))
        process.output = .collected
        process.input = .closed
        #expect(try process.run().stderrText.contains("Bad file descriptor"))
    }

    @Test func aProgramThatTakesTooLongIsKilled() throws {
        for script in ["exec sleep 60", "exec >&- 2>&-; exec sleep 60"] {
            var process = PluginProcess("/bin/sh", arguments: ["-c", script])
            process.environment = ["PATH": "/usr/bin:/bin"]
            process.limitSeconds = 0.1
            let outcome = try process.run()
            #expect(outcome.timedOut)
            #expect(outcome.signal == Int(SIGKILL))
        }
    }

    @Test func silenceIsNeitherInputNorItsEnd() throws {
        var process = PluginProcess("/bin/cat")
        process.input = .silence
        process.limitSeconds = 0.1
        #expect(try process.run().timedOut)
    }

    @Test func aContainerLeavesNothingBehind() throws {
        let path = try {
            let container = try ContainerNamespace()
            #expect(NamespaceIdentity.of(container.path) != nil)
            return container.path
        }()
        // A file on which something is mounted cannot be removed, so its absence tells of both.
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test func executablesAreSoughtBesideTheBundleOrWhereTold() throws {
        let given = ProcessInfo.processInfo.environment["CNI_TEST_BIN"]
        #expect(given == nil || Executables.directory == given)
        #expect(FileManager.default.fileExists(atPath: Executables.directory))
    }

    @Test func equalSeedsGiveEqualNumbers() {
        var (first, second, other) = (SeededGenerator("a"), SeededGenerator("a"), SeededGenerator("b"))
        #expect(first.bytes(64) == second.bytes(64))
        #expect(first.next() != other.next())
    }
}
