// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// What the kernel says of the namespace of the calling thread.
enum Network {
    /// An interface with its addresses, as `ip -j -d address show` prints it, or nothing.
    static func link(_ name: String) throws -> Value? { try links().first { $0["ifname"] == .string(name) } }

    /// All interfaces with their addresses.
    static func links() throws -> [Value] {
        try Value(parsing: Programs.run("ip", "-j", "-d", "address", "show")).array
    }

    /// The interfaces that are ports of a bridge.
    static func ports(_ bridge: String = "br0") throws -> [Value] {
        try links().filter { $0["master"] == .string(bridge) }
    }

    /// The addresses of an interface without those of the link itself.
    static func addresses(_ name: String) throws -> Set<String> {
        let all = try link(name)?["addr_info"]?.array ?? []
        return Set(
            all.filter { $0["scope"] != "link" }.compactMap { entry in
                guard let local = entry["local"]?.string, let length = entry["prefixlen"]?.int else { return nil }
                return "\(local)/\(length)"
            }
        )
    }

    /// The routes of a family as `ip -j route show` prints them.
    static func routes(_ family: String = "-4", table: String = "main") throws -> [Value] {
        try Value(parsing: Programs.run("ip", "-j", "-d", family, "route", "show", "table", table)).array
    }

    /// A setting below /proc/sys/net.
    static func setting(_ path: String) throws -> String {
        try String(contentsOfFile: "/proc/sys/net/\(path)", encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Runs a line such as `ip link delete eth0`, which must succeed, in the namespace of the calling thread.
    static func run(_ line: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let words = line.split(separator: " ").map { String($0) }
        let outcome = try PluginProcess(Programs.path(words[0]) ?? words[0], arguments: Array(words.dropFirst())).run()
        #expect(outcome.exitCode == 0, "\(line): \(outcome.stderrText)", sourceLocation: sourceLocation)
    }
}
