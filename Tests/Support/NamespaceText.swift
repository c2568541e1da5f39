// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What iproute2 and nft say of the namespace of the calling thread.
enum NamespaceText {
    private static let commands: [(name: String, program: String, arguments: [String])] = [
        ("links", "ip", ["-j", "-d", "link", "show"]),
        ("addresses", "ip", ["-j", "-d", "addr", "show"]),
        ("routes IPv4", "ip", ["-j", "-d", "-4", "route", "show", "table", "all"]),
        ("routes IPv6", "ip", ["-j", "-d", "-6", "route", "show", "table", "all"]),
        ("rules IPv4", "ip", ["-j", "-d", "-4", "rule", "show"]),
        ("rules IPv6", "ip", ["-j", "-d", "-6", "rule", "show"]),
        ("neighbours", "ip", ["-j", "neigh", "show", "nud", "permanent"]),
        ("qdiscs", "tc", ["-j", "qdisc", "show"]),
        ("rules nftables", "nft", ["-s", "list", "ruleset"]),
    ]

    static func sections(_ normalising: HostState.Normalisation) throws -> [String: String] {
        var sections: [String: String] = [:]
        for (name, program, arguments) in commands {
            guard let path = Programs.path(program) else { continue }
            let outcome = try PluginProcess(path, arguments: arguments).run()
            guard outcome.exitCode == 0 else {
                sections[name] = "\(program) failed: \(outcome.stderrText)"
                continue
            }
            sections[name] = arguments.first == "-j" ? try text(outcome.stdout, normalising) : outcome.stdoutText
        }
        return sections
    }

    /// Whether the kernel has dealt with every carrier that came or went, going by what `ip` says of the links.
    static func isSettled(_ links: String) -> Bool {
        let links = try? JSONSerialization.jsonObject(with: Data(links.utf8)) as? [[String: Any]]
        return (links ?? []).allSatisfy { link in
            guard let flags = link["flags"] as? [String], flags.contains("UP"), let state = link["operstate"] as? String
            else {
                return true
            }
            return flags.contains("LOWER_UP") ? !state.hasSuffix("DOWN") : state != "UP"
        }
    }

    /// One line for each member, in the order of the keys, without what changes by itself.
    private static func text(_ json: [UInt8], _ normalising: HostState.Normalisation) throws -> String {
        let entries = json.isEmpty ? [] : try JSONSerialization.jsonObject(with: Data(json))
        let data = try JSONSerialization.data(
            withJSONObject: normalised(entries, normalising),
            options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        )
        return String(decoding: data, as: UTF8.self)
    }

    private static let volatile: Set<String> = [
        "valid_life_time", "preferred_life_time", "hello_timer", "tcn_timer", "topology_change_timer", "gc_timer",
        "hold_timer", "message_age_timer", "forward_delay_timer", "multicast_querier", "used", "confirmed", "updated",
        "cache_age", "expires", "bytes", "packets",
    ]
    private static let addressKeys: Set<String> = [
        "address", "broadcast", "permaddr", "lladdr", "bridge_id", "root_id",
    ]
    private static let indexKeys: Set<String> = [
        "ifindex", "link_index", "link_netnsid", "iflink", "port_no", "id", "no",
    ]

    private static func normalised(_ value: Any, _ normalising: HostState.Normalisation) -> Any {
        if let list = value as? [Any] { return list.map { normalised($0, normalising) } }
        if let text = value as? String, normalising.contains(.addresses), text.hasPrefix("fe80::") { return "fe80::…" }
        guard let object = value as? [String: Any] else { return value }
        var result: [String: Any] = [:]
        for (key, member) in object where !volatile.contains(key) {
            if normalising.contains(.addresses), addressKeys.contains(key), let text = member as? String {
                result[key] = text.contains(":") && text.utf8.count == 17 ? "MAC" : normalised(text, normalising)
            } else if normalising.contains(.indexes), indexKeys.contains(key) {
                result[key] = "number"
            } else {
                result[key] = normalised(member, normalising)
            }
        }
        return result
    }
}

/// Programs of the system that tests use as a second opinion.
public enum Programs {
    /// Where a program is, or nothing if it is not installed.
    public static func path(_ name: String) -> String? {
        ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map { "\($0)/\(name)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// Whether there is a program at a path.
    public static func exists(_ path: String) -> Bool { FileManager.default.isExecutableFile(atPath: path) }

    /// Runs a program that must succeed in the namespace of the calling thread, and returns what it printed.
    @discardableResult
    public static func run(_ name: String, _ arguments: String...) throws -> String { try run(name, arguments) }

    /// Runs a program with a list of arguments that must succeed, and returns what it printed.
    @discardableResult
    public static func run(_ name: String, _ arguments: [String]) throws -> String {
        let process = PluginProcess(path(name) ?? name, arguments: arguments)
        let outcome = try process.run()
        guard outcome.exitCode == 0 else {
            throw ProgramFailure(description: "\(name) \(arguments.joined(separator: " ")): \(outcome.stderrText)")
        }
        return outcome.stdoutText
    }
}

/// A program of the system that ended with an error.
public struct ProgramFailure: Error, CustomStringConvertible {
    /// The program and what it said.
    public let description: String

    /// Makes the failure of a program.
    public init(description: String) { self.description = description }
}
