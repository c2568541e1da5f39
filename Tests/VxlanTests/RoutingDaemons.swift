// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Support
import Testing

/// FRR's zebra and bgpd on a host of the overlay, as Debian's service starts them, with the service's directories for itself.
final class RoutingDaemons {
    /// What is missing on this machine to have them, or nothing.
    static let missing =
        ["unshare", "nsenter", "vtysh"].first { Programs.path($0) == nil }
        ?? ["zebra", "bgpd"].first { !Programs.exists("/usr/lib/frr/\($0)") }

    private let host: TestHost
    private let holder: RunningProcess
    private var running: [String: RunningProcess] = [:]

    /// Starts both, and reads the configuration that the README of the plugin has for the third host, changed as it says.
    init(on host: TestHost) throws {
        self.host = host
        let script = """
            for directory in /etc/frr /run /var/log/frr; do
                mount -t tmpfs -o mode=755 tmpfs $directory || exit 1
            done
            mkdir /run/frr && chown frr:frr /etc/frr /run/frr /var/log/frr || exit 1
            echo 'service integrated-vtysh-config' >/etc/frr/vtysh.conf
            cat >/etc/frr/frr.conf && chown frr:frr /etc/frr/* && chmod 640 /etc/frr/* && touch /run/frr/ready
            exec sleep infinity
            """
        var process = PluginProcess(
            Programs.path("unshare") ?? "unshare",
            arguments: ["--mount", "--propagation", "private", "/bin/sh", "-c", script]
        )
        process.environment = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"]
        process.input = .bytes(Array(try Self.configuration(host.number).utf8))
        holder = try host.space.inside { try process.start() }
        try #require(eventually { exists("ready") }, "the directories of FRR are not there")
        try start()
    }

    deinit {
        end(SIGKILL)
        holder.send(SIGKILL)
        _ = try? holder.finish()
    }

    private static func configuration(_ number: Int) throws -> String {
        let readme = "\(Golden.directory)/../Sources/Plugins/vxlan/README.md"
        let lines = try String(contentsOfFile: readme, encoding: .utf8).components(separatedBy: "\n")
        let start = try #require(lines.firstIndex { $0.hasSuffix("frr defaults datacenter") })
        let block = lines[start...].prefix { !$0.contains("```") }.map { String($0.dropFirst(3)) }
        let text = block.filter { line in
            !(number...3).contains { line == " neighbor 192.168.9.\($0) peer-group hosts" }
        }
        return text.joined(separator: "\n").replacing("router-id 192.168.9.3", with: "router-id 192.168.9.\(number)")
            + "\n"
    }

    /// Whether there is a file among those of the running daemons.
    private func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

    private func path(_ name: String) -> String { "/proc/\(holder.process)/root/run/frr/\(name)" }

    /// Starts what is not running, and has it read the configuration.
    func start() throws {
        for (name, options) in [("zebra", "-A 127.0.0.1 -s 90000000"), ("bgpd", "-A 127.0.0.1")]
        where running[name] == nil {
            try? FileManager.default.removeItem(atPath: path("\(name).vty"))
            // What is said goes to a file, because nobody empties a pipe.
            let line = "exec /usr/lib/frr/\(name) \(options) >>/run/frr/\(name).out 2>&1"
            let process = inside(["/bin/sh", "-c", line])
            running[name] = try host.space.inside { try process.start() }
            try #require(eventually { exists("\(name).vty") }, "\(name) does not listen")
        }
        // The socket is there before anybody listens at it, and a shell that comes too early passes the daemon over.
        let isConfigured = try eventually {
            try type("-b")
            return try type("-c", "show running-config").contains("router bgp")
        }
        try #require(isConfigured, "bgpd has no configuration")
    }

    /// Ends one or both, in this order.
    func end(_ signal: CInt, _ names: [String] = ["bgpd", "zebra"]) {
        for name in names {
            guard let process = running.removeValue(forKey: name) else { continue }
            process.send(signal)
            _ = try? process.finish()
        }
    }

    /// Types words to FRR's shell, which must be understood, and returns the answer.
    @discardableResult
    func type(_ words: String..., sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
        let outcome = try inside(["vtysh"] + words).run(in: host.space.namespace)
        let text = outcome.stdoutText + outcome.stderrText
        #expect(outcome.exitCode == 0 && !text.contains("% "), "\(words): \(text)", sourceLocation: sourceLocation)
        return text
    }

    private func inside(_ words: [String]) -> PluginProcess {
        let mounts = "--mount=/proc/\(holder.process)/ns/mnt"
        var process = PluginProcess(Programs.path("nsenter") ?? "nsenter", arguments: [mounts] + words)
        process.environment = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"]
        return process
    }
}
