// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// A network whose addresses host-local gives, with a store of its own.
struct HostLocalNetwork: Sendable {
    static let name = "lab"

    /// The plugin of Debian's package, which other tests compare with.
    static let reference = "/usr/lib/cni/host-local"
    static let hasReference = FileManager.default.isExecutableFile(atPath: reference)

    private let directory: TemporaryDirectory
    var version = "1.0.0"
    /// The members of ipam besides type and dataDir, as JSON with a comma before it.
    var ipam: String
    /// More members of the whole, likewise.
    var more = ""
    var executable = Executables.path("host-local")

    init(_ ipam: String = #","subnet":"10.1.0.0/24""#) throws {
        directory = try TemporaryDirectory()
        self.ipam = ipam
    }

    var dataDir: String { directory.path("a/b/networks") }
    var path: String { "\(dataDir)/\(Self.name)" }

    /// The same network for the other suite.
    var throughReference: HostLocalNetwork {
        var copy = self
        copy.executable = Self.reference
        return copy
    }

    /// A call of the plugin that is not yet running.
    func process(
        _ command: String,
        _ containerID: String = "c1",
        interface: String = "eth0",
        arguments: String = "",
        more: String = ""
    ) -> PluginProcess {
        var process = PluginProcess(executable)
        process.environment = [
            "CNI_COMMAND": command, "CNI_CONTAINERID": containerID, "CNI_NETNS": "/nowhere", "CNI_IFNAME": interface,
            "CNI_PATH": Executables.directory, "CNI_ARGS": arguments,
        ]
        let configuration = """
            {"cniVersion":"\(version)","name":"\(Self.name)","type":"bridge",
            "ipam":{"type":"host-local","dataDir":"\(dataDir)"\(ipam)}\(self.more)\(more)}
            """
        process.input = .bytes(Array(configuration.utf8))
        return process
    }

    /// Runs the plugin and reads what it said.
    @discardableResult
    func call(
        _ command: String,
        _ containerID: String = "c1",
        interface: String = "eth0",
        arguments: String = "",
        more: String = ""
    ) throws -> Answer {
        try Answer(process(command, containerID, interface: interface, arguments: arguments, more: more).run())
    }

    /// The addresses that an ADD must give, without the length of the network.
    func add(
        _ containerID: String,
        interface: String = "eth0",
        arguments: String = "",
        more: String = ""
    ) throws -> [String] {
        let answer = try call("ADD", containerID, interface: interface, arguments: arguments, more: more)
        #expect(answer.code == nil, "\(answer)")
        return answer.addresses
    }

    /// Runs a DEL, which must succeed.
    func delete(_ containerID: String, interface: String = "eth0") throws {
        let answer = try call("DEL", containerID, interface: interface)
        #expect(answer.exitCode == 0, "\(answer)")
        #expect(answer.text.isEmpty)
    }

    /// Writes a file into the store.
    func write(_ content: String, to name: String) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try Data(content.utf8).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    }

    /// The content of a file of the store.
    func read(_ name: String) -> String? {
        FileManager.default.contents(atPath: "\(path)/\(name)").map { String(decoding: $0, as: UTF8.self) }
    }

    /// The files of the store that are named after addresses, with their content.
    func leases() throws -> [String: String] {
        guard FileManager.default.fileExists(atPath: path) else { return [:] }
        var leases: [String: String] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: path) where name.first?.isHexDigit == true {
            leases[name] = read(name)
        }
        return leases
    }

    /// Writes a file that is taken away with the network, and returns its path.
    func writeBeside(_ content: String, to name: String) throws -> String { try directory.write(content, to: name) }
}

/// What a plugin said.
struct Answer: CustomStringConvertible {
    let exitCode: Int?
    let text: String
    let stderr: String
    private let object: [String: any Sendable]

    init(_ outcome: PluginProcess.Outcome) throws {
        exitCode = outcome.exitCode
        text = outcome.stdoutText
        stderr = outcome.stderrText
        let json = text.isEmpty ? nil : try JSONSerialization.jsonObject(with: Data(outcome.stdout))
        object = json as? [String: any Sendable] ?? [:]
    }

    /// The code of the error, or nothing if it is none.
    var code: Int? { exitCode == 0 ? nil : object["code"] as? Int ?? -1 }
    var message: String { object["msg"] as? String ?? "" }
    var details: String { object["details"] as? String ?? "" }
    var description: String { "code \(exitCode ?? -1): \(text)\(stderr)" }

    /// The addresses of the result in any version's form, with the length of the network.
    var prefixes: [String] {
        let ips = object["ips"] as? [[String: any Sendable]] ?? []
        let old = ["ip4", "ip6"].compactMap { object[$0] as? [String: any Sendable] }
        return ips.compactMap { $0["address"] as? String } + old.compactMap { $0["ip"] as? String }
    }

    /// The addresses of the result.
    var addresses: [String] { prefixes.map { String($0.prefix { $0 != "/" }) } }

    /// The gateways of the result.
    var gateways: [String] {
        (object["ips"] as? [[String: any Sendable]] ?? []).compactMap { $0["gateway"] as? String }
    }

    /// A member of the result.
    subscript(key: String) -> (any Sendable)? { object[key] }
}

extension Answer {
    /// Expects a failure with a code and a part of its details.
    func expectFailure(
        _ code: Int,
        _ message: String,
        _ details: String = "",
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(exitCode == 1, sourceLocation: sourceLocation)
        #expect(self.code == code, "\(self)", sourceLocation: sourceLocation)
        #expect(self.message == message, sourceLocation: sourceLocation)
        #expect(details.isEmpty || self.details.contains(details), "\(self)", sourceLocation: sourceLocation)
    }
}
