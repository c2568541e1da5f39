// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Calls of a plugin for one attachment, as a runtime makes them.
public struct PluginCall: Sendable {
    /// The name of the plugin.
    public var plugin: String
    /// The name of the network.
    public var network = "lan"
    /// The identifier of the container.
    public var id = "c1"
    /// The name of the interface in the container.
    public var interface = "eth0"
    /// The path of the container's namespace; empty, or nothing at all, if the runtime has none any more.
    public var netns: String? = "/run/netns/none"
    /// The version of the protocol.
    public var version = "1.1.0"
    /// Members of the configuration, each with a comma before it.
    public var members = ""
    /// The result of the plugins before, if there is one.
    public var previous: String?
    /// More variables.
    public var environment: [String: String] = [:]
    /// The directory of the plugin.
    public var directory = Executables.directory

    /// Calls of a plugin of a name.
    public init(_ plugin: String, _ members: String = "") {
        self.plugin = plugin
        self.members = members
    }

    /// The same with changes.
    public func with(_ change: (inout PluginCall) -> Void) -> PluginCall {
        var copy = self
        change(&copy)
        return copy
    }

    /// The same of a container.
    public func of(_ container: ContainerNamespace, _ id: String) -> PluginCall {
        with { ($0.netns, $0.id) = (container.path, id) }
    }

    /// The result of a plugin that gave a container on a bridge some addresses.
    public static func result(_ addresses: [String], bridge: String = "br0", interface: String = "eth0") -> String {
        let list = addresses.map { #"{"address":"\#($0)","interface":2}"# }.joined(separator: ",")
        return """
            {"cniVersion":"1.1.0","interfaces":[{"name":"\(bridge)","mac":"02:00:00:00:00:01"},\
            {"name":"veth0","mac":"02:00:00:00:00:02"},\
            {"name":"\(interface)","mac":"02:00:00:00:00:03","sandbox":"/run/netns/none"}],"ips":[\(list)]}
            """
    }

    /// A call that was not made yet.
    public func process(_ command: String) -> PluginProcess {
        var process = PluginProcess("\(directory)/\(plugin)")
        // The reference looks for its programs in PATH.
        process.environment = ["CNI_COMMAND": command, "CNI_PATH": directory, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"]
        if ["ADD", "DEL", "CHECK"].contains(command) {
            process.environment["CNI_CONTAINERID"] = id
            process.environment["CNI_IFNAME"] = interface
            process.environment["CNI_NETNS"] = netns
        }
        process.environment.merge(environment) { $1 }
        let chained = previous.map { #","prevResult":\#($0)"# } ?? ""
        let text = #"{"cniVersion":"\#(version)","name":"\#(network)","type":"\#(plugin)"\#(members)\#(chained)}"#
        process.input = .bytes(Array(text.utf8))
        return process
    }

    /// Makes a call that must succeed, and returns what it printed.
    @discardableResult
    public func call(_ command: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
        try outcome(command, sourceLocation: sourceLocation).stdoutText
    }

    /// Makes a call that must succeed.
    public func outcome(
        _ command: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> PluginProcess.Outcome {
        let outcome = try process(command).run()
        let said: Comment = "\(plugin) \(command): \(outcome.stdoutText) \(outcome.stderrText)"
        #expect(outcome.exitCode == 0, said, sourceLocation: sourceLocation)
        return outcome
    }

    /// Makes a call that must fail, and returns the code with message and details.
    public func failure(
        _ command: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> (code: Int, text: String) {
        let outcome = try process(command).run()
        #expect(outcome.exitCode == 1, "\(plugin) \(command): \(outcome.stdoutText)", sourceLocation: sourceLocation)
        let object = try JSONSerialization.jsonObject(with: Data(outcome.stdout)) as? [String: Any] ?? [:]
        return (object["code"] as? Int ?? 0, "\(object["msg"] ?? ""): \(object["details"] ?? "")")
    }

    /// Collects the garbage of the network, with what a runtime names as valid: a list of identifiers, or any JSON.
    public func collect(
        keeping ids: [String]? = nil,
        json: String? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let list = (ids ?? []).map { #"{"containerID":"\#($0)","ifname":"\#(interface)"}"# }
        let valid = json ?? "[\(list.joined(separator: ","))]"
        try with {
            $0.previous = nil
            $0.members += #","cni.dev/valid-attachments":\#(valid)"#
        }.call("GC", sourceLocation: sourceLocation)
    }

    /// Lets ADD fail after each of its steps in turn, with a look at the host after each; returns how many steps there are.
    public func failAfterEachStep(
        sourceLocation: SourceLocation = #_sourceLocation,
        _ look: (Comment) throws -> Void
    ) throws -> Int {
        for step in 1...30 {
            let outcome = try with { $0.environment["CNI_FAIL_AFTER_STEP"] = "\(step)" }.process("ADD").run()
            if outcome.exitCode == 0 { return step - 1 }
            #expect(outcome.stdoutText.contains("step \(step)"), sourceLocation: sourceLocation)
            try look("step \(step): \(outcome.stdoutText)")
        }
        Issue.record("ADD never succeeds", sourceLocation: sourceLocation)
        return 30
    }
}
