// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

extension TunedNetwork {
    /// A call that was not made yet; `members` are those of the configuration that the test is about.
    func process(
        _ command: String,
        _ members: String = "",
        version: String = "1.1.0",
        network: String = "lan",
        id: String = "c1",
        interface: String = "eth0",
        netns: String? = nil,
        previous: String? = nil,
        environment: [String: String] = [:],
        plugin: String = Executables.path("tuning")
    ) -> PluginProcess {
        var process = PluginProcess(plugin)
        process.environment = ["CNI_COMMAND": command, "CNI_PATH": Executables.directory]
        if ["ADD", "DEL", "CHECK"].contains(command) {
            process.environment["CNI_CONTAINERID"] = id
            process.environment["CNI_IFNAME"] = interface
            process.environment["CNI_NETNS"] = netns ?? container.path
        }
        process.environment.merge(environment) { $1 }
        var parts = [#""cniVersion":"\#(version)","name":"\#(network)","type":"tuning","dataDir":"\#(dataDir)""#]
        if !members.isEmpty { parts.append(members) }
        let given = previous ?? (["ADD", "CHECK"].contains(command) ? result(version, interface: interface) : "")
        if !given.isEmpty { parts.append(#""prevResult":\#(given)"#) }
        process.input = .bytes(Array("{\(parts.joined(separator: ","))}".utf8))
        return process
    }

    /// Expects success, and returns what was printed.
    @discardableResult
    func succeed(
        _ process: PluginProcess,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> PluginProcess.Outcome {
        let outcome = try process.run()
        #expect(outcome.exitCode == 0, "\(outcome.stdoutText)\(outcome.stderrText)", sourceLocation: sourceLocation)
        return outcome
    }

    /// Expects an error with a code that says all of some texts.
    func fail(
        _ process: PluginProcess,
        _ code: Int,
        _ texts: String...,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let outcome = try process.run()
        let said: Comment = "\(outcome.stdoutText)\(outcome.stderrText)"
        #expect(outcome.exitCode == 1, said, sourceLocation: sourceLocation)
        let object = try? JSONSerialization.jsonObject(with: Data(outcome.stdout)) as? [String: Any]
        #expect(object?["code"] as? Int == code, said, sourceLocation: sourceLocation)
        let complaint = "\(object?["msg"] ?? ""): \(object?["details"] ?? "")"
        for text in texts { #expect(complaint.contains(text), "\"\(text)\": \(said)", sourceLocation: sourceLocation) }
    }

    /// Makes an ADD that must succeed, and returns the result.
    @discardableResult
    func add(
        _ members: String,
        version: String = "1.1.0",
        environment: [String: String] = [:],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> String {
        let process = process("ADD", members, version: version, environment: environment)
        return try succeed(process, sourceLocation: sourceLocation).stdoutText
    }
}
