// SPDX-License-Identifier: Apache-2.0

import Addressing

/// The words of a command line, sorted into what is asked for.
struct Options {
    /// A port of the host that leads to a port of the first container.
    struct Port {
        /// The port of the host.
        let host: UInt16
        /// The port of the container.
        let container: UInt16
        /// The protocol in lower case: tcp or udp.
        let transport: String
    }

    /// What is wrong with a command line.
    struct Misuse: Error {
        /// One sentence.
        let problem: String
    }

    /// Which command; empty if there is none.
    private(set) var command = ""
    /// What the command is given, in order.
    private(set) var operands: [String] = []
    /// Whether output is a JSON document.
    private(set) var wantsJSON = false
    /// Whether the command is only to be explained.
    private(set) var wantsHelp = false
    /// The attachments that GC leaves alone.
    private(set) var kept: [(id: String, interface: String)] = []
    /// The ports to publish in a trial.
    private(set) var ports: [Port] = []
    /// How many private hosts a trial has.
    private(set) var hosts = 1
    /// The networks that a registry is told to divide among the hosts of a trial.
    private(set) var networks: [Prefix] = []

    /// Sorts the words.
    init(_ words: [String]) throws(Misuse) {
        var rest = words[...]
        while let word = rest.popFirst() {
            switch word {
            case "--help", "-h": wantsHelp = true
            case "--json": wantsJSON = true
            case "--keep":
                kept.append(try Self.attachment(try Self.value(of: word, &rest)))
            case "--publish":
                ports.append(try Self.port(try Self.value(of: word, &rest)))
            case "--hosts":
                hosts = try Self.hosts(try Self.value(of: word, &rest))
            case "--network":
                networks = try Self.networks(try Self.value(of: word, &rest))
            case _ where word.hasPrefix("-"): throw Misuse(problem: "unknown option \(word)")
            case _ where command.isEmpty: command = word
            default: operands.append(word)
            }
        }
        if !kept.isEmpty, command != "gc" { throw Misuse(problem: "--keep is an option of gc") }
        if !ports.isEmpty, command != "try" { throw Misuse(problem: "--publish is an option of try") }
        if hosts > 1, command != "try" { throw Misuse(problem: "--hosts is an option of try") }
        if hosts > 1, !ports.isEmpty {
            throw Misuse(problem: "--publish is for one host, because ports are the same on several; leave --hosts out")
        }
        if !networks.isEmpty, hosts == 1 { throw Misuse(problem: "--network is an option of try with --hosts") }
    }

    private static func value(of option: String, _ rest: inout ArraySlice<String>) throws(Misuse) -> String {
        guard let value = rest.popFirst() else { throw Misuse(problem: "\(option) needs a value") }
        return value
    }

    private static func hosts(_ text: String) throws(Misuse) -> Int {
        guard let count = Int(text), 1...9 ~= count else {
            throw Misuse(problem: "--hosts takes a number from 1 to 9, not \"\(text)\"")
        }
        return count
    }

    /// A network of IPv4, and perhaps one of IPv6.
    private static func networks(_ text: String) throws(Misuse) -> [Prefix] {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        let networks = parts.compactMap { Prefix(String($0)) }.filter { $0.isNetwork }
        let families = networks.map { $0.address.family }
        guard networks.count == parts.count, families == [.v4] || families == [.v4, .v6] else {
            throw Misuse(problem: "--network takes 10.5.0.0/16 or 10.5.0.0/16,fd05::/48, not \"\(text)\"")
        }
        return networks
    }

    private static func attachment(_ text: String) throws(Misuse) -> (id: String, interface: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
            throw Misuse(problem: "--keep takes CONTAINERID/IFNAME, not \"\(text)\"")
        }
        return (String(parts[0]), String(parts[1]))
    }

    private static func port(_ text: String) throws(Misuse) -> Port {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        let ports = (parts.first ?? "").split(separator: ":", omittingEmptySubsequences: false)
        let transport = parts.count == 2 ? parts[1].lowercased() : "tcp"
        guard parts.count <= 2, ports.count == 2, let host = UInt16(ports[0]), let container = UInt16(ports[1]),
            host > 0, container > 0, transport == "tcp" || transport == "udp"
        else {
            throw Misuse(problem: "--publish takes HOSTPORT:CONTAINERPORT or that with /tcp or /udp, not \"\(text)\"")
        }
        return Port(host: host, container: container, transport: transport)
    }
}
