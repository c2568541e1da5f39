// SPDX-License-Identifier: Apache-2.0

import JSON
import Support
import Testing

/// A host of the overlay: a network namespace whose interface eth0 is on the underlay.
final class TestHost: Sendable {
    let number: Int
    let space: ContainerNamespace
    private let directory: TemporaryDirectory

    init(_ number: Int) throws {
        self.number = number
        space = try ContainerNamespace(named: "host\(number)")
        directory = try TemporaryDirectory()
    }

    /// The data directory of host-local.
    var dataDir: String { directory.path("networks") }

    /// The addresses in use, by network.
    func leases(_ network: String = "overlay") throws -> [String] {
        try FileTree.text("\(dataDir)/\(network)").split(separator: "\n").compactMap { line in
            guard let name = line.split(separator: "/").last?.split(separator: " ").first,
                name.contains(where: { $0 == "." || $0 == ":" }),
                !name.hasPrefix("last_reserved")
            else {
                return nil
            }
            return String(name)
        }
    }

    /// Runs a line such as `ip link delete eth0` on the host, which must succeed, and returns what it printed.
    @discardableResult
    func run(_ line: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
        try Self.run(line, in: space, sourceLocation: sourceLocation)
    }

    /// Runs a line in a namespace, which must succeed, and returns what it printed.
    @discardableResult
    static func run(
        _ line: String,
        in space: ContainerNamespace,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> String {
        let words = line.split(separator: " ").map { String($0) }
        let process = PluginProcess(Programs.path(words[0]) ?? words[0], arguments: Array(words.dropFirst()))
        let outcome = try process.run(in: space.namespace)
        #expect(outcome.exitCode == 0, "\(line): \(outcome.stderrText)", sourceLocation: sourceLocation)
        return outcome.stdoutText
    }

    /// A call of the plugin on this host, which was not made yet.
    func process(
        _ command: String,
        _ network: OverlayNetwork,
        _ container: ContainerNamespace? = nil,
        id: String = "c1",
        _ environment: [String: String] = [:]
    ) -> PluginProcess {
        var process = PluginProcess(Executables.path("vxlan"))
        process.environment = ["CNI_COMMAND": command, "CNI_PATH": Executables.directory]
        if ["ADD", "DEL", "CHECK"].contains(command) {
            process.environment["CNI_CONTAINERID"] = id
            process.environment["CNI_IFNAME"] = "eth0"
            process.environment["CNI_NETNS"] = container?.path ?? ""
        }
        process.environment.merge(environment) { $1 }
        process.input = .bytes(JSON.object(network.members(on: self)).serialize())
        return process
    }

    /// Makes a call on this host.
    func call(
        _ command: String,
        _ network: OverlayNetwork,
        _ container: ContainerNamespace? = nil,
        id: String = "c1",
        _ environment: [String: String] = [:]
    ) throws -> Answer {
        Answer(command, try process(command, network, container, id: id, environment).run(in: space.namespace))
    }

    /// Attaches a container, which must succeed, and returns the result.
    @discardableResult
    func add(
        _ network: OverlayNetwork,
        _ container: ContainerNamespace,
        id: String = "c1",
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> JSON {
        try call("ADD", network, container, id: id).succeeded(sourceLocation: sourceLocation)
    }

    /// Corrects the tunnel by hand, and returns what was said of it.
    @discardableResult
    func reconcile(_ network: OverlayNetwork, sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
        let outcome = try reconciling(network)
        #expect(outcome.exitCode == 0, "\(outcome.stderrText)", sourceLocation: sourceLocation)
        return outcome.stdoutText
    }

    /// Has the tunnel corrected, which may fail.
    func reconciling(_ network: OverlayNetwork) throws -> PluginProcess.Outcome {
        var process = PluginProcess(Executables.path("vxlan"), arguments: ["reconcile"])
        process.input = .bytes(JSON.object(network.members(on: self)).serialize())
        return try process.run(in: space.namespace)
    }

    /// The state of the host and of its address store.
    func state() throws -> HostState {
        try space.inside { try HostState(directories: []) }
    }
}

/// How a call ended.
struct Answer: CustomStringConvertible {
    let isSuccess: Bool
    let document: JSON
    let description: String

    init(_ command: String, _ outcome: PluginProcess.Outcome) {
        isSuccess = outcome.exitCode == 0
        document = (try? JSON.parse(outcome.stdout)) ?? .null
        description = "\(command): \(outcome.stdoutText) \(outcome.stderrText)"
    }

    /// Expects success, and returns the document.
    @discardableResult
    func succeeded(sourceLocation: SourceLocation = #_sourceLocation) -> JSON {
        #expect(isSuccess, "\(self)", sourceLocation: sourceLocation)
        return document
    }

    /// Expects an error with a code, and that it says all of some texts.
    func failed(_ code: Int, _ texts: String..., sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(!isSuccess && document["code"] == .int(code), "\(self)", sourceLocation: sourceLocation)
        let complaint = "\(document["msg"]?.text ?? ""): \(document["details"]?.text ?? "")"
        for text in texts {
            #expect(complaint.contains(text), "\"\(text)\" is not in \(self)", sourceLocation: sourceLocation)
        }
    }
}

extension JSON {
    /// The member of an object.
    subscript(key: String) -> JSON? {
        guard case .object(let object) = self else { return nil }
        return object[key]
    }

    /// The elements of a list.
    var list: [JSON] {
        guard case .array(let elements) = self else { return [] }
        return elements
    }

    /// The text of a string or a number.
    var text: String? {
        switch self {
        case .string(let text), .number(let text): text
        default: nil
        }
    }
}
