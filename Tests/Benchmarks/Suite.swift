// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A directory of plugins that is measured.
struct Suite {
    /// The name in file names and container ids.
    let name: String

    /// The directory of the executables.
    let directory: String

    /// The path of one plugin.
    func path(of plugin: String) -> String { "\(directory)/\(plugin)" }

    /// A call of one plugin for one container.
    func call(_ plugin: String, _ command: String, for container: Container, input: String) -> Call {
        Call(
            program: path(of: plugin),
            environment: [
                "CNI_COMMAND": command,
                "CNI_CONTAINERID": container.id,
                "CNI_NETNS": container.namespace,
                "CNI_IFNAME": "eth0",
                "CNI_PATH": directory,
            ],
            input: input,
            output: container.output
        )
    }

    /// A call of one plugin that asks for its versions.
    func version(of plugin: String) throws -> Call {
        let input = try Self.write("version", ["cniVersion": "1.0.0"])
        return Call(program: path(of: plugin), environment: ["CNI_COMMAND": "VERSION"], input: input)
    }

    /// Writes a configuration to the scratch directory and returns its path.
    static func write(_ name: String, _ configuration: [String: Any]) throws -> String {
        let path = "\(Isolation.scratch)/\(name).json"
        let options: JSONSerialization.WritingOptions = [.sortedKeys, .withoutEscapingSlashes]
        let data = try JSONSerialization.data(withJSONObject: configuration, options: options)
        try data.write(to: URL(fileURLWithPath: path))
        return path
    }
}

/// A container as a plugin sees it: an id and a namespace.
struct Container {
    /// The id, as long as those of real runtimes.
    let id: String

    /// The path of the network namespace.
    let namespace: String

    /// The file that takes the standard output of the calls for this container.
    var output: String { "\(Isolation.scratch)/calls/\(id)" }

    /// The n-th container of a network, in one of the named namespaces.
    init(network: String, number: Int, namespace: String) {
        let text = "\(network)-\(number)-"
        id = text + String(repeating: "0", count: max(0, 64 - text.count))
        self.namespace = namespace
    }
}

/// The named network namespaces that stand for containers.
final class Namespaces {
    /// How many there are so far.
    private var made = 0

    /// The path of a namespace that stands for a host, made with its loopback on.
    func host(_ name: String) throws -> String {
        try Call.tool(["ip", "netns", "add", name], output: nil)
        try Call.tool(["ip", "-n", name, "link", "set", "lo", "up"], output: nil)
        return "/run/netns/\(name)"
    }

    /// The paths of the first `count` namespaces; missing ones are made.
    func paths(_ count: Int) throws -> [String] {
        if made < count {
            let batch = "\(Isolation.scratch)/namespaces"
            let lines = (made..<count).map { "netns add c\($0)\n" }
            try Data(lines.joined().utf8).write(to: URL(fileURLWithPath: batch))
            try Call.tool(["ip", "-batch", batch], output: nil)
            made = count
        }
        return (0..<count).map { "/run/netns/c\($0)" }
    }
}
