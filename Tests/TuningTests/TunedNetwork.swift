// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Support
import Testing

/// A network that ends in tuning, on the host of one test, and a container with an interface.
final class TunedNetwork: Sendable {
    let directory: TemporaryDirectory
    let container: ContainerNamespace
    /// Where the plugin keeps what was before.
    var dataDir: String { directory.path("run/tuning") }

    /// Makes a container whose interface has a MAC that every test knows.
    init(interface: String = "eth0") throws {
        directory = try TemporaryDirectory()
        container = try ContainerNamespace()
        try inside("ip", "link", "add", interface, "address", Self.oldMAC, "type", "veth", "peer", "name", "peer")
        for name in [interface, "peer"] {
            // Nothing shall change by itself while a test compares, as a link-local address does.
            try inside("ip", "link", "set", name, "addrgenmode", "none")
            try inside("ip", "link", "set", name, "up")
        }
        // Each gets its multicast route once the kernel has noticed the carrier, in its own time.
        let hasRoutes = try eventually {
            let routes = try inside("ip", "-6", "route", "show", "table", "local")
            return routes.split(separator: "\n").count(where: { $0.contains("ff00::/8") }) == 2
        }
        try #require(hasRoutes)
    }

    static let oldMAC = "02:00:00:00:00:01"
    static let newMAC = "02:00:00:00:00:99"
    static let versions = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]

    /// What changes everything that can be changed.
    static let everything =
        #""mac":"\#(newMAC)","promisc":true,"mtu":1400,"allmulti":true,"txQLen":77,"#
        + #""sysctl":{"net.ipv4.conf.IFNAME.arp_filter":"1","net.core.somaxconn":"500"}"#

    /// Runs a program inside the container.
    @discardableResult
    func inside(_ program: String, _ arguments: String...) throws -> String {
        try container.inside {
            let outcome = try PluginProcess(Programs.path(program) ?? program, arguments: arguments).run()
            guard outcome.exitCode == 0 else { throw ProgramFailure(outcome.stderrText) }
            return outcome.stdoutText
        }
    }

    struct ProgramFailure: Error {
        let text: String
        init(_ text: String) { self.text = text }
    }

    /// A kernel setting in the container.
    func setting(_ path: String) throws -> String {
        try container.inside { try String(contentsOfFile: "/proc/sys/net/\(path)", encoding: .utf8) }
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// What the container's interface is like, under the keys of the configuration.
    func properties(_ interface: String = "eth0") throws -> [String: String] {
        let text = try inside("ip", "-j", "-d", "link", "show", interface)
        let list = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]]
        let link = try #require(list?.first)
        let flags = link["flags"] as? [String] ?? []
        return [
            "mac": "\(link["address"] ?? "")", "mtu": "\(link["mtu"] ?? "")", "txQLen": "\(link["txqlen"] ?? 0)",
            "promisc": "\(flags.contains("PROMISC"))", "allmulti": "\(flags.contains("ALLMULTI"))",
        ]
    }

    static let untouched = ["mac": oldMAC, "mtu": "1500", "txQLen": "1000", "promisc": "false", "allmulti": "false"]
    static let tuned = ["mac": newMAC, "mtu": "1400", "txQLen": "77", "promisc": "true", "allmulti": "true"]

    /// The container and the files as they are now.
    func state() throws -> (container: HostState, files: [String: String]) {
        let files = try files().map { ($0, try text($0)) }
        return (try HostState(of: container), Dictionary(uniqueKeysWithValues: files))
    }

    /// Expects that nothing differs from an earlier state.
    func expectUnchanged(
        since before: (container: HostState, files: [String: String]),
        _ comment: Comment? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let after = try state()
        #expect(Self.settled(after) == Self.settled(before), comment, sourceLocation: sourceLocation)
        #expect(after.files == before.files, comment, sourceLocation: sourceLocation)
    }

    /// The lines of a state without what the kernel finds out in its own time: whether the other end can be heard.
    private static func settled(_ state: (container: HostState, files: [String: String])) -> [Substring] {
        state.container.description.split(separator: "\n").filter { line in
            !["operstate", "NO-CARRIER", "LOWER_UP"].contains { line.contains($0) }
        }
    }

    /// The names of the files that are kept.
    func files() throws -> [String] {
        guard FileManager.default.fileExists(atPath: dataDir) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: dataDir).sorted()
    }

    /// The text of a file that is kept.
    func text(_ name: String = "c1_eth0.json") throws -> String {
        try String(contentsOfFile: "\(dataDir)/\(name)", encoding: .utf8)
    }

    /// The result of the plugins before.
    func result(_ version: String = "1.1.0", interface: String = "eth0", mtu: Bool = true) -> String {
        let address = #""10.1.0.2/24""#
        if ["0.1.0", "0.2.0"].contains(version) { return #"{"cniVersion":"\#(version)","ip4":{"ip":\#(address)}}"# }
        let isOld = version < "1.0.0"
        let mtuKey = mtu && !isOld ? #","mtu":1500"# : ""
        return #"{"cniVersion":"\#(version)","interfaces":[{"name":"\#(interface)","mac":"02:00:00:00:00:77"},"#
            + #"{"name":"\#(interface)","mac":"\#(Self.oldMAC)"\#(mtuKey),"sandbox":"\#(container.path)"}],"#
            + #""ips":[{\#(isOld ? #""version":"4","# : "")"address":\#(address),"interface":1}]}"#
    }
}
