// SPDX-License-Identifier: Apache-2.0

import CLinux
import Foundation
import Glibc
import Linux
import Support

/// A host for a container runtime: mounts, network and processes of its own, and a neighbour outside.
///
/// All that runtimes write lands in memory. Its processes end with it, also if the tests are killed: the first of them waits
/// for the end of its input.
final class RuntimeHost: Sendable {
    /// The addresses of the host on the link to the outside.
    static let addresses = (v4: "192.0.2.1", second: "192.0.2.9", v6: "2001:db8:2::1")
    /// The addresses of the neighbour, who knows no way to the containers.
    static let neighbour = (v4: "192.0.2.254", v6: "2001:db8:2::fe")

    /// The host itself.
    let inside: Place
    /// Its neighbour.
    let outside: Place
    /// The first process, by its number outside.
    let process: CInt
    private let neighbourhood: ContainerNamespace
    private let keeper: RunningProcess

    /// Makes a host with an empty configuration directory.
    init() throws {
        neighbourhood = try ContainerNamespace(named: "outside")
        outside = Place(path: neighbourhood.path)
        var shell = PluginProcess(
            "/usr/bin/unshare",
            arguments: ["-mnp", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]
                + ["/bin/bash", "-c", Self.firstProcess]
        )
        shell.input = .silence
        shell.environment = Self.environment
        keeper = try shell.start()
        guard let process = Self.waitForChild(of: keeper.process) else {
            keeper.send(SIGKILL)
            throw ProgramFailure(description: "the host did not come up: \(try keeper.finish().stderrText)")
        }
        self.process = process
        inside = Place(path: "/proc/\(process)/ns/net")
        try connect()
    }

    deinit {
        // The first process takes all others of the host along.
        _ = kill(process, SIGKILL)
        _ = try? keeper.finish()
    }

    /// What every program on the host is told.
    static var environment: [String: String] {
        var environment = [
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/run/home", "TMPDIR": "/run/tmp",
            "CONTAINERS_CONF": "/run/conf/containers.conf", "CONTAINERS_STORAGE_CONF": "/run/conf/storage.conf",
            "CONTAINERD_ADDRESS": "/run/conf/containerd.sock", "NETCONFPATH": "/run/net.d",
            "CNI_PATH": Executables.directory,
        ]
        // For whoever looks for the reason of a failure.
        if let trace = ProcessInfo.processInfo.environment["CNI_TRACE"] { environment["CNI_TRACE"] = trace }
        return environment
    }

    /// crun refuses cgroups of both versions side by side; these mounts are private.
    private static let firstProcess = """
        set -e
        for place in /run /var/lib /var/tmp /dev/shm; do mount -t tmpfs tmpfs $place; done
        ! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified
        mkdir -p /run/netns /run/lock /run/home /run/tmp /run/conf /run/net.d /var/lib/cni
        cd /proc/sys/net
        echo 1 >ipv4/ip_forward; echo 1 >ipv6/conf/all/forwarding; echo 1 >ipv6/conf/default/forwarding
        echo 0 >ipv6/conf/all/accept_dad; echo 0 >ipv6/conf/default/accept_dad
        cd /
        touch /run/ready
        while read -r line; do :; done
        """

    /// The first process of the new host, once it is furnished.
    private static func waitForChild(of parent: CInt) -> CInt? {
        for _ in 0..<12_000 {
            usleep(5000)
            let text = try? String(contentsOfFile: "/proc/\(parent)/task/\(parent)/children", encoding: .ascii)
            guard let text else { return nil }
            let child = CInt(text.trimmingCharacters(in: .whitespaces))
            if let child, access("/proc/\(child)/root/run/ready", F_OK) == 0 { return child }
        }
        return nil
    }

    private func connect() throws {
        let (own, other) = (Self.addresses, Self.neighbour)
        try outside.inside {
            for name in ["default", "all"] {
                let path = "/proc/sys/net/ipv6/conf/\(name)/accept_dad"
                try "0".write(toFile: path, atomically: false, encoding: .ascii)
            }
        }
        try inside.inside {
            try Programs.run("ip", "link", "set", "lo", "up")
            try Programs.run("ip", "link", "add", "up0", "type", "veth", "peer", "out0", "netns", outside.path)
            for address in ["\(own.v4)/24", "\(own.second)/24", "\(own.v6)/64"] {
                try Programs.run("ip", "addr", "add", address, "dev", "up0")
            }
            try Programs.run("ip", "link", "set", "up0", "up")
        }
        try outside.inside {
            try Programs.run("ip", "link", "set", "lo", "up")
            for address in ["\(other.v4)/24", "\(other.v6)/64"] {
                try Programs.run("ip", "addr", "add", address, "dev", "out0")
            }
            try Programs.run("ip", "link", "set", "out0", "up")
        }
        try inside.inside {
            try Programs.run("ip", "route", "add", "default", "via", other.v4)
            try Programs.run("ip", "-6", "route", "add", "default", "via", other.v6)
        }
    }

    /// Describes a run of a program on the host.
    func program(_ words: [String]) -> PluginProcess {
        var process = PluginProcess(
            "/usr/bin/nsenter",
            arguments: ["-t", "\(self.process)", "-m", "-n", "-p", "--"] + words
        )
        process.environment = Self.environment
        process.limitSeconds = 300
        return process
    }

    /// Runs a program on the host, which must succeed, and returns what it printed, without the break at the end.
    @discardableResult
    func run(_ words: [String]) throws -> String {
        let outcome = try program(words).run()
        guard outcome.exitCode == 0 else {
            let end = outcome.timedOut ? "took too long" : "ended with \(outcome.exitCode ?? -1)"
            throw ProgramFailure(description: "\(words.joined(separator: " ")) \(end): \(outcome.stderrText)")
        }
        return outcome.stdoutText.trimmingCharacters(in: .newlines)
    }

    /// Runs a shell script on the host, which must succeed.
    @discardableResult
    func shell(_ script: String) throws -> String { try run(["/bin/bash", "-ec", script]) }

    /// Writes a file on the host.
    func write(_ text: String, to path: String) throws {
        try text.write(toFile: own(path), atomically: false, encoding: .utf8)
    }

    /// The path by which the tests see a path of the host.
    func own(_ path: String) -> String { "/proc/\(process)/root\(path)" }
}
