// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What the packet filter of the namespace of the calling thread holds, through both of its languages.
public struct PacketFilter: Equatable, CustomStringConvertible {
    /// What nft lists, without the tables that belong to iptables.
    public let nftables: String
    /// What the programs of both variants of iptables list, without counters, times and chains of the kernel's own.
    public let iptables: [String]

    /// Takes what is there now.
    public init() throws {
        let listing = try Programs.run("nft", "-s", "list", "ruleset")
        var (lines, isForeign) = ([Substring](), false)
        for line in listing.split(separator: "\n") where !line.hasPrefix("#") {
            if line.hasPrefix("table ") { isForeign = Self.foreign.contains(line) }
            if !isForeign { lines.append(line) }
        }
        nftables = lines.joined(separator: "\n")
        var saved: [String] = []
        for front in ["iptables", "ip6tables"] {
            for program in ["\(front)-save", "\(front)-legacy-save"] where Programs.path(program) != nil {
                for line in try Programs.run(program).split(separator: "\n") {
                    let isWanted = line.hasPrefix("-") || line.hasPrefix(":") && line.contains(" - ")
                    if isWanted { saved.append(String(line.prefix { $0 != "[" })) }
                }
            }
        }
        iptables = saved
    }

    private static let foreign = Set(
        ["ip", "ip6"].flatMap { family in
            ["nat", "filter", "mangle", "raw"].map { "table \(family) \($0) {" }
        }.map { Substring($0) }
    )

    /// Whether there is nothing.
    public var isEmpty: Bool { nftables.isEmpty && iptables.isEmpty }

    /// All of it as one text.
    public var description: String { ([nftables] + iptables).joined(separator: "\n") }

    /// Whether a text is in it.
    public func contains(_ text: String) -> Bool { description.contains(text) }
}
