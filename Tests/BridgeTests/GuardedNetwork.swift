// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// A network with macspoofchk on the host of one test, for calls of the bridge plugin.
struct GuardedNetwork {
    var name = "lan"
    /// More members of the configuration, each with a comma before it.
    var more = ""
    /// More variables.
    var environment: [String: String] = [:]
    private var isGuarded = true

    /// A network of a name.
    init(_ name: String = "lan") { self.name = name }

    /// This network without the check.
    var unguarded: GuardedNetwork {
        var network = self
        network.isGuarded = false
        return network
    }

    /// This network with more members of the configuration and more variables.
    func with(_ members: String = "", environment: [String: String] = [:]) -> GuardedNetwork {
        var network = self
        network.more += members
        network.environment.merge(environment) { $1 }
        return network
    }

    /// A call that was not made yet.
    func process(
        _ command: String,
        _ container: ContainerNamespace? = nil,
        id: String = "c1",
        interface: String = "eth0"
    ) -> PluginProcess {
        var process = PluginProcess(Executables.path("bridge"))
        process.environment = ["CNI_COMMAND": command, "CNI_PATH": Executables.directory].merging(environment) { $1 }
        if ["ADD", "DEL", "CHECK"].contains(command) {
            process.environment["CNI_CONTAINERID"] = id
            process.environment["CNI_IFNAME"] = interface
            process.environment["CNI_NETNS"] = container?.path ?? ""
        }
        let guardKey = isGuarded ? #","macspoofchk":true"# : ""
        let text = #"{"cniVersion":"1.1.0","name":"\#(name)","type":"bridge","bridge":"br0"\#(guardKey)\#(more)}"#
        process.input = .bytes(Array(text.utf8))
        return process
    }

    /// Makes a call that must succeed, and returns what it printed.
    @discardableResult
    func call(
        _ command: String,
        _ container: ContainerNamespace? = nil,
        id: String = "c1",
        interface: String = "eth0",
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> String {
        let outcome = try process(command, container, id: id, interface: interface).run()
        let said: Comment = "\(command): \(outcome.stdoutText) \(outcome.stderrText)"
        #expect(outcome.exitCode == 0, said, sourceLocation: sourceLocation)
        return outcome.stdoutText
    }

    /// Makes a call that must fail, and returns the code with the message and the details.
    func failure(
        _ command: String,
        _ container: ContainerNamespace? = nil,
        id: String = "c1",
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> (code: Int, text: String) {
        let outcome = try process(command, container, id: id).run()
        #expect(outcome.exitCode == 1, "\(outcome.stdoutText)", sourceLocation: sourceLocation)
        let object = try JSONSerialization.jsonObject(with: Data(outcome.stdout)) as? [String: Any] ?? [:]
        return (object["code"] as? Int ?? 0, "\(object["msg"] ?? ""): \(object["details"] ?? "")")
    }
}

/// What nft says of the namespace of the calling thread.
enum Rules {
    /// The whole ruleset without counters.
    static func all() throws -> String { try Programs.run("nft", "-s", "-j", "list", "ruleset") }

    /// Whom the rules guard: network, container and interface, with slashes between them.
    static func owners() throws -> [String] {
        try Programs.run("nft", "list", "ruleset").matches(of: /" \. 0 comment "([^"]+)"/).map { String($0.output.1) }
    }

    /// The pairs of port and sender that pass.
    static func pairs() throws -> [String] {
        try Programs.run("nft", "list", "set", "bridge", "swift_cni", "allowed")
            .matches(of: /"[^"]+" \. [0-9a-f:]{17}/).map { String($0.output) }
    }

    /// The ports of the bridge.
    static func ports() throws -> [String] {
        try Programs.run("ip", "-o", "link", "show", "type", "veth").split(separator: "\n")
            .compactMap { $0.split(separator: " ").dropFirst().first?.split(separator: "@").first.map(String.init) }
    }
}
