// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc

/// A bus of a test's own, with firewalld on it or without, in namespaces that end with it.
///
/// The address of the bus is put into the environment of this process, where libsystemd looks for it; so suites that use
/// one run their tests one after the other.
public final class FirewalldHost: Sendable {
    /// A directory of the host's own.
    public let directory: TemporaryDirectory
    private let process: RunningProcess
    /// The address of the bus.
    public let address: String

    /// What is missing on this machine to have one, or nothing.
    public static let missing = ["dbus-daemon", "dbus-send", "firewalld", "nft", "unshare"].first {
        Programs.path($0) == nil
    }

    /// Starts the bus, and firewalld if it is wanted, and waits until both answer.
    public init(withFirewalld: Bool = true) throws {
        directory = try TemporaryDirectory()
        address = "unix:path=\(directory.path("bus"))"
        let configuration = try directory.write(
            """
            <!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
             "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
            <busconfig>
              <type>system</type>
              <listen>\(address)</listen>
              <auth>EXTERNAL</auth>
              <policy context="default">
                <allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_destination="*"/>
                <allow receive_sender="*"/>
              </policy>
            </busconfig>
            """,
            to: "bus.conf"
        )
        // Its configuration is empty, so that only what comes with the package counts, and its log is nobody's.
        let script = """
            for directory in /etc/firewalld /var/log /run; do mount -t tmpfs tmpfs $directory || exit 1; done
            ip link set lo up
            dbus-daemon --config-file=\(configuration) --nofork --nopidfile --nosyslog &
            \(withFirewalld ? "until [ -S \(directory.path("bus")) ]; do sleep 0.05; done; firewalld --nofork --nopid & " : "")
            wait
            """
        var unshare = PluginProcess(
            Programs.path("unshare") ?? "unshare",
            arguments: [
                "--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation", "private", "/bin/sh", "-c",
                script,
            ]
        )
        unshare.environment = [
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DBUS_SYSTEM_BUS_ADDRESS": address,
        ]
        process = try unshare.start()
        BusAddress.set(address)
        try wait(until: withFirewalld ? "boolean true" : "boolean false")
    }

    private func wait(until answer: String) throws {
        let hasAnswered = try eventually(60) {
            try send(
                to: "org.freedesktop.DBus",
                "/",
                "org.freedesktop.DBus.NameHasOwner",
                "string:org.fedoraproject.FirewallD1"
            ).contains(answer)
        }
        if !hasAnswered { throw NoAnswer() }
    }

    /// Nobody on the bus said what was expected.
    public struct NoAnswer: Error {}

    deinit {
        BusAddress.set(nil)
        // All that it has started goes with it.
        process.send(SIGKILL)
        _ = try? process.finish()
    }

    /// Says something to somebody on the bus by dbus-send(1), as a second opinion.
    @discardableResult
    private func send(to destination: String, _ arguments: String...) throws -> String {
        var process = PluginProcess(
            Programs.path("dbus-send") ?? "",
            arguments: ["--bus=\(address)", "--print-reply", "--dest=\(destination)"] + arguments
        )
        process.environment = ["PATH": "/usr/bin"]
        process.limitSeconds = 60
        let outcome = try process.run()
        guard outcome.exitCode == 0 else { throw NoAnswer() }
        return outcome.stdoutText
    }

    private static let daemon = "org.fedoraproject.FirewallD1"

    /// The sources of a zone, as firewalld itself lists them.
    public func sources(_ zone: String = "trusted") throws -> [String] {
        try send(to: Self.daemon, "/org/fedoraproject/FirewallD1", "\(Self.daemon).zone.getSources", "string:\(zone)")
            .split(separator: "\"").enumerated().filter { $0.offset % 2 == 1 }.map { String($0.element) }.sorted()
    }

    /// Binds a source to a zone.
    public func bind(_ source: String, to zone: String) throws {
        let method = "\(Self.daemon).zone.addSource"
        try send(to: Self.daemon, "/org/fedoraproject/FirewallD1", method, "string:\(zone)", "string:\(source)")
    }

    /// Has firewalld forget what is not permanent.
    public func reload() throws {
        try send(to: Self.daemon, "/org/fedoraproject/FirewallD1", "\(Self.daemon).reload")
    }
}

/// The address of the system bus in the environment of this process.
public enum BusAddress {
    /// Sets the address, or takes it away.
    public static func set(_ address: String?) {
        if let address { setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1) } else { unsetenv("DBUS_SYSTEM_BUS_ADDRESS") }
    }

    /// Runs a body with an address.
    public static func with<R>(_ address: String, _ body: () throws -> R) rethrows -> R {
        set(address)
        defer { set(nil) }
        return try body()
    }
}
