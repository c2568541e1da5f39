// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// What is refused before anything is changed.
@Suite("Refusals", .ownNetworkNamespace)
struct RefusalTests {
    private let network: TunedNetwork

    init() throws { network = try TunedNetwork() }

    /// A configuration that is refused, with a text of the error.
    struct Wrong: Sendable, CustomTestStringConvertible {
        let members: String
        let code: Int
        let texts: [String]
        /// Whether a DEL with it must succeed, because only the form is right.
        let isWellFormed: Bool
        var testDescription: String { members }

        init(_ members: String, _ code: Int, _ texts: String..., isWellFormed: Bool = true) {
            (self.members, self.code, self.texts, self.isWellFormed) = (members, code, texts, isWellFormed)
        }
    }

    private static let wrong = [
        Wrong(#""mac":"02:00""#, 7, "invalid args 02:00 for MAC addr", "mac: "),
        Wrong(#""mac":"00:00:00:00:00:00""#, 7, "mac: "), Wrong(#""mac":"ff:ff:ff:ff:ff:ff""#, 7, "mac: "),
        Wrong(#""runtimeConfig":{"mac":"x"}"#, 7, "runtimeConfig.mac: "),
        Wrong(#""args":{"cni":{"mac":"x"}}"#, 7, "args.cni.mac: "),
        Wrong(#""mac":7"#, 7, "mac: must be a string", isWellFormed: false),
        Wrong(#""mtu":-1"#, 7, "mtu: must be between 0", isWellFormed: false),
        Wrong(#""mtu":"1400""#, 7, "mtu: must be a number", isWellFormed: false),
        Wrong(#""txQLen":-1"#, 7, "txQLen: must be between 0", isWellFormed: false),
        Wrong(#""promisc":"yes""#, 7, "promisc: must be a boolean", isWellFormed: false),
        Wrong(#""allmulti":1"#, 7, "allmulti: must be a boolean", isWellFormed: false),
        Wrong(#""args":{"cni":{"mtu":1.5}}"#, 7, "args.cni.mtu: ", isWellFormed: false),
        Wrong(#""sysctl":["a"]"#, 7, "sysctl: must be an object", isWellFormed: false),
        Wrong(#""sysctl":{"net.core.somaxconn":500}"#, 7, "must be a string", isWellFormed: false),
        Wrong(
            #""sysctl":{"net.core.somaxconn":"500","net.core.somaxconn":"500"}"#,
            7,
            "duplicated sysctl keys are not allowed",
            isWellFormed: false
        ),
        Wrong(
            #""sysctl":{"net.core.somaxconn":"500","net/core/somaxconn":"501"}"#,
            7,
            "duplicated sysctl keys are not allowed",
            "sysctl.net/core/somaxconn"
        ),
        Wrong(#""sysctl":{"kernel.panic":"1"}"#, 7, "invalid net sysctl key: \"kernel/panic\"", "sysctl.kernel.panic"),
        Wrong(#""sysctl":{"net":"1"}"#, 7, "invalid net sysctl key"), Wrong(#""sysctl":{"":"1"}"#, 7, "invalid net"),
        Wrong(#""sysctl":{"network.core":"1"}"#, 7, "invalid net sysctl key"),
        Wrong(#""sysctl":{"net.ipv4.nothing":"1"}"#, 100, "net/ipv4/nothing", "sysctl.net.ipv4.nothing", "ENOENT"),
        Wrong(#""sysctl":{"net.ipv4.conf":"1"}"#, 100, "net/ipv4/conf", "EISDIR"),
    ]

    @Test(arguments: wrong) func aWrongConfigurationChangesNothing(wrong: Wrong) throws {
        let before = try network.state()
        // Right members come first, and must not be done.
        let members = wrong.members.contains("mac") ? wrong.members : #""mac":"02:00:00:00:00:99","# + wrong.members
        let process = network.process("ADD", members)
        try network.fail(process, wrong.code)
        for text in wrong.texts { try network.fail(process, wrong.code, text) }
        try network.expectUnchanged(since: before)
        if wrong.code == 7 { try network.fail(network.process("STATUS", members), 7) }
        let delete = network.process("DEL", members)
        if wrong.isWellFormed { try network.succeed(delete) } else { try network.fail(delete, 7) }
    }

    @Test(arguments: ["ADD", "CHECK"], ["", TunedNetwork.everything])
    func withoutAPreviousResultThereIsNothingToTune(command: String, members: String) throws {
        let before = try network.state()
        try network.fail(network.process(command, members, previous: "null"), 7, "Required prevResult missing")
        try network.expectUnchanged(since: before)
    }

    @Test func anInterfaceThatIsMissingIsNamed() throws {
        let before = try network.state()
        let members = #""sysctl":{"net.core.somaxconn":"500"},"mtu":1400"#
        try network.fail(network.process("ADD", members, interface: "eth9"), 100, "failed to get \"eth9\"")
        try network.fail(network.process("CHECK", members, interface: "eth9"), 105)
        try network.expectUnchanged(since: before)
        // Settings alone need no interface.
        try network.succeed(network.process("ADD", #""sysctl":{"net.core.somaxconn":"500"}"#, interface: "eth9"))
    }

    @Test(arguments: ["/nowhere", "/etc/passwd"]) func aNamespaceThatIsNoneIsNamed(path: String) throws {
        try network.fail(network.process("ADD", #""mtu":1400"#, netns: path), 8, "failed to open netns \"\(path)\"")
        #expect(try network.files() == [])
    }

    @Test func aDirectoryThatCannotBeMadeIsNamed() throws {
        try network.directory.write("", to: "run")
        let before = try network.state()
        try network.fail(network.process("ADD", #""mtu":1400"#), 5, network.dataDir, "ENOTDIR")
        try network.fail(network.process("STATUS", #""mtu":1400"#), 50, network.dataDir)
        try network.succeed(network.process("DEL", #""mtu":1400"#))
        try network.succeed(network.process("GC", #""mtu":1400,"cni.dev/valid-attachments":[]"#))
        try network.expectUnchanged(since: before)
        // Nothing to do needs no directory.
        try network.succeed(network.process("STATUS"))
    }

    @Test func aStatusOfAHostThatIsReadyMakesNothing() throws {
        try network.succeed(network.process("STATUS", TunedNetwork.everything))
        #expect(try HostState(directories: [network.directory.path("run")]).description.contains("does not exist"))
    }
}
