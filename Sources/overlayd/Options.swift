// SPDX-License-Identifier: Apache-2.0

import JSON

/// The words of the command line.
struct Options {
    /// What is wrong with a command line.
    struct Misuse: Error {
        /// One sentence.
        let problem: String
    }

    /// The network's file, which plugin and daemon share.
    private(set) var file = "/etc/cni/net.d/21-vxlan-etcd.conflist"
    /// Whether to end as soon as everything is right once.
    private(set) var endsAtOnce = false
    /// Whether to give the subnet back instead.
    private(set) var givesBack = false
    /// Whether the program is only to be explained.
    private(set) var wantsHelp = false
    /// Whether only the version is asked for.
    private(set) var wantsVersion = false
    /// Where steps are noted.
    private(set) var trace = ""
    /// Keys of the plugin's object that are to be other than in the file.
    private(set) var replaced: [(key: String, value: String)] = []
    /// Keys of the object registry that are to be other than in the file.
    private(set) var replacedInRegistry: [(key: String, value: JSON)] = []

    /// Sorts the words.
    init(_ words: [String]) throws(Misuse) {
        var rest = words[...]
        while let word = rest.popFirst() {
            switch word {
            case "--help", "-h": wantsHelp = true
            case "--version": wantsVersion = true
            case "--once": endsAtOnce = true
            case "--revoke": givesBack = true
            case "--config": file = try Self.value(of: word, &rest)
            case "--trace": trace = try Self.value(of: word, &rest)
            case "--master": replaced.append(("master", try Self.value(of: word, &rest)))
            case "--local": replaced.append(("local", try Self.value(of: word, &rest)))
            case "--prefix": replacedInRegistry.append(("prefix", .string(try Self.value(of: word, &rest))))
            case "--endpoints":
                let list = try Self.value(of: word, &rest).utf8.split(separator: UInt8(ascii: ","))
                let texts: [JSON] = list.map { .string(String(decoding: Array($0), as: UTF8.self)) }
                replacedInRegistry.append(("endpoints", .array(texts)))
            default: throw Misuse(problem: "unknown word \(word)")
            }
        }
        if endsAtOnce, givesBack { throw Misuse(problem: "--once and --revoke exclude each other") }
    }

    private static func value(of option: String, _ rest: inout ArraySlice<String>) throws(Misuse) -> String {
        guard let value = rest.popFirst() else { throw Misuse(problem: "\(option) needs a value") }
        return value
    }

    /// What the program says of itself.
    static let usage = """
        overlayd [--config FILE] [--once | --revoke]

        Takes a subnet of a network for this host from etcd, keeps it, and sees to it that the other hosts' containers are
        reached. Reads the network's own file, of which it needs the plugin vxlan with its object registry.

          --config FILE         the network's file; /etc/cni/net.d/21-vxlan-etcd.conflist
          --once                end when everything is right for the first time
          --revoke              give the subnet back, take the tunnel away, and end; not while the daemon runs
          --endpoints A,B       other members of etcd than in the file
          --prefix PREFIX       another prefix of the keys
          --master INTERFACE    another interface to the other hosts
          --local ADDRESS       another address for the other hosts
          --trace FILE|stderr   note each step with its time

        SIGTERM ends it; tunnel, routes and subnet stay.
        """
}
