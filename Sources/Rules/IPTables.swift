// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Linux
import NFTables

/// The rules of iptables for one family, through its own programs: one call reads a table, and one changes it, all or nothing.
///
/// Its two variants keep their rules in different parts of the kernel, and what an earlier call made with one of them a later
/// call must find, even if the host's choice has changed meanwhile.
public struct IPTables: Sendable {
    /// Which of the two variants.
    public enum Variant: String, Sendable {
        /// Whatever the host calls iptables.
        case host = ""
        /// Rules in the kernel's nf_tables.
        case nft = "-nft"
        /// Rules in the kernel's older tables.
        case legacy = "-legacy"
    }

    /// The family of the addresses.
    public let family: IPAddress.Family
    private let variant: Variant

    /// Chooses the family, and the variant if it is not to be the host's choice.
    public init(_ family: IPAddress.Family, _ variant: Variant = .host) {
        self.family = family
        self.variant = variant
    }

    /// The variants in which a table may hold a chain.
    ///
    /// Asked without starting a program; of the older tables it is only known whether they are in use.
    public static func mayHold(_ chain: String, in table: String, _ family: IPAddress.Family) -> [IPTables] {
        var found: [IPTables] = []
        let name = joined(family == .v4 ? "ip " : "ip6 ", table)
        if let use = try? TableSocket().use(ofChain: chain, in: Table(name)), use >= 0 {
            found.append(IPTables(family, .nft))
        }
        let path = family == .v4 ? "/proc/net/ip_tables_names" : "/proc/net/ip6_tables_names"
        if let names = try? FileDescriptor.open(path).readAll(),
            names.split(separator: UInt8(ascii: "\n")).contains(Array(table.utf8)[...])
        {
            found.append(IPTables(family, .legacy))
        }
        return found
    }

    /// What is in a table, or in two as if they were one.
    public func list(_ table: String, and other: String? = nil) throws(CNIError) -> Snapshot {
        let text = try run("save", other == nil ? ["-t", table] : [], "")
        var snapshot = Snapshot(chains: [], policies: [], rules: [])
        var isWanted = true
        for line in text.split(separator: UInt8(ascii: "\n")) {
            if line.first == UInt8(ascii: "*") {
                let name = String(decoding: line.dropFirst(), as: UTF8.self)
                isWanted = name == table || name == other
            }
            guard isWanted else { continue }
            if line.first == UInt8(ascii: "-") { snapshot.rules.append(String(decoding: line, as: UTF8.self)) }
            guard line.first == UInt8(ascii: ":") else { continue }
            let words = line.dropFirst().split(separator: UInt8(ascii: " "))
            guard words.count > 1 else { continue }
            snapshot.chains.append(String(decoding: Array(words[0]), as: UTF8.self))
            snapshot.policies.append(String(decoding: Array(words[1]), as: UTF8.self))
        }
        return snapshot
    }

    /// Changes a table: each line is a command with its arguments, or with a colon in front the name of a chain to be made
    /// empty, or with a star that of another table, for which the rest is.
    ///
    /// It is all or nothing in each table.
    public func change(_ table: String, _ lines: [String]) throws(CNIError) {
        if lines.isEmpty { return }
        var text = joined("*", table, "\n")
        for line in lines {
            switch line.utf8.first {
            case UInt8(ascii: ":"): text += line + " - [0:0]\n"
            case UInt8(ascii: "*"): text += joined("COMMIT\n", line, "\n")
            default: text += line + "\n"
            }
        }
        _ = try run("restore", ["--noflush", "-w", "10"], text + "COMMIT\n")
    }

    /// Removes a chain from a table with what leads to it, if it is there.
    func remove(_ chain: String, from table: String) throws(CNIError) {
        let present = try list(table)
        guard present.chains.contains(chain) else { return }
        try change(table, present.leading(to: chain).map { $0.deletion } + ["-F " + chain, "-X " + chain])
    }

    /// Whether the programs are there.
    public var isInstalled: Bool { (try? path("restore")) != nil }

    private func path(_ verb: String) throws(CNIError) -> String {
        let front = family == .v4 ? "iptables" : "ip6tables"
        let directories = joined(Environment.current()["PATH"] ?? "", ":/usr/sbin:/sbin:/usr/bin:/bin")
        let names = variant == .host ? [""] : [variant.rawValue, ""]
        for name in names {
            if let path = Delegate.find(joined(front, name, "-", verb), in: directories) { return path }
        }
        throw CNIError(
            .rules,
            joined("cannot find ", front, "-", verb),
            "install the package iptables, or choose the backend nftables, which needs no program"
        )
    }

    @inline(never)
    private func run(_ verb: String, _ arguments: [String], _ input: String) throws(CNIError) -> [UInt8] {
        let path = try path(verb)
        Trace.step(joined(path, ":\n", input))
        let outcome = try CNIError.attempt(joined("run ", path)) { () throws(Errno) in
            var child = try ChildProcess.start(
                path,
                arguments: arguments,
                environment: Environment.current(),
                input: Array(input.utf8)
            )
            return try child.finish(signals: -1)
        }
        if outcome.exitCode == 0 { return outcome.output }
        // iptables ends with 4 when somebody else kept its lock all the time.
        throw CNIError(
            outcome.exitCode == 4 ? .tryAgain : .rules,
            joined(path, " failed"),
            String(decoding: outcome.errorOutput.prefix(2048), as: UTF8.self)
        )
    }

    /// A text in quotation marks, as the programs read it.
    public static func quoted(_ text: String) -> String {
        var bytes = [UInt8(ascii: "\"")]
        for byte in Array(text.utf8).prefix(255) {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { bytes.append(UInt8(ascii: "\\")) }
            bytes.append(byte)
        }
        return String(decoding: bytes + [UInt8(ascii: "\"")], as: UTF8.self)
    }
}

extension IPTables {
    /// What is in a table, as text.
    public struct Snapshot: Sendable {
        /// The names of the chains.
        public var chains: [String]
        /// What becomes of packets at the end of each chain: ACCEPT or DROP, or a dash for one that only rules lead to.
        public var policies: [String]
        /// The rules, each as the arguments that would add it: "-A FORWARD …".
        public var rules: [String]

        /// Whether packets at the end of a chain are dropped.
        public func drops(_ chain: String) -> Bool {
            guard let place = chains.firstIndex(of: chain) else { return false }
            return policies[place] == "DROP"
        }

        /// The rules that lead to a chain, by jump or goto.
        public func leading(to chain: String) -> [String] {
            rules.filter { rule in rule.value(of: "-j") == chain || rule.value(of: "-g") == chain }
        }

        /// The rules of a chain.
        public func inChain(_ chain: String) -> [String] {
            let front = joined("-A ", chain, " ")
            return rules.filter { $0.begins(with: front) }
        }
    }
}

/// A rule as text.
extension String {
    /// The word behind an option.
    public func value(of option: String) -> String? {
        let words = Array(utf8).split(separator: UInt8(ascii: " "))
        for (place, word) in words.enumerated().dropLast() where word == Array(option.utf8)[...] {
            return String(decoding: Array(words[place + 1]), as: UTF8.self)
        }
        return nil
    }

    /// The command that deletes the rule.
    public var deletion: String { "-D" + String(decoding: Array(utf8.dropFirst(2)), as: UTF8.self) }
}
