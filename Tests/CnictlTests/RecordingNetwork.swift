// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A network whose plugins are shell scripts that note how they were called.
final class RecordingNetwork {
    /// One call of a plugin.
    struct Call {
        /// The plugin and the command, such as "one ADD".
        let title: String
        /// The container and the interface.
        let attachment: String
        /// The pairs of CNI_ARGS.
        let arguments: String
        /// What came on standard input.
        let input: [String: Any]

        /// The result that was passed on, if there was one.
        var previous: [String: Any]? { input["prevResult"] as? [String: Any] }
    }

    private let folder: TemporaryFolder

    /// Makes scripts of some names; each prints a result in which the only interface has the script's name.
    init(plugins: [String] = ["one", "two"]) throws {
        folder = try TemporaryFolder()
        for name in plugins {
            try folder.write(
                """
                #!/bin/bash
                calls=\(folder.path)/calls
                number=$(ls $calls | wc -l)
                printf -v file '%s/%03d' $calls $number
                { echo "\(name) $CNI_COMMAND"; echo "$CNI_CONTAINERID/$CNI_IFNAME"; echo "$CNI_ARGS"; cat; } >$file
                if [ -e \(folder.path)/fail-\(name)-$CNI_COMMAND ]; then
                    echo '{"code":123,"msg":"\(name) is broken","details":"by the test"}'
                    exit 1
                fi
                if [ $CNI_COMMAND = ADD ]; then
                    echo '{"interfaces":[{"name":"\(name)"}],"ips":[{"address":"10.1.0.5/16"}],"strange":1}'
                fi
                """,
                to: "bin/\(name)",
                executable: true
            )
        }
        try folder.write("", to: "calls/.keep")
    }

    /// Writes a file of the configuration directory.
    func configure(_ text: String, as name: String = "10-net.conflist") throws {
        try folder.write(text, to: "net.d/\(name)")
    }

    /// Makes a plugin fail at a command from now on.
    func fail(_ plugin: String, at command: String) throws { try folder.write("", to: "fail-\(plugin)-\(command)") }

    /// Runs a script on a private host with this configuration.
    func script(_ text: String, _ environment: [String: String] = [:]) throws -> PrivateHost.Outcome {
        let own = ["NETCONFPATH": "\(folder.path)/net.d", "CNI_PATH": "\(folder.path)/bin"]
        return try PrivateHost.script(text, own.merging(environment) { $1 })
    }

    /// The calls so far, in order.
    func calls() throws -> [Call] {
        try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/calls").filter { !$0.hasPrefix(".") }
            .sorted()
            .map { name in
                let lines = try folder.read("calls/\(name)").components(separatedBy: "\n") + ["", "", ""]
                let input = Data(lines.dropFirst(3).joined(separator: "\n").utf8)
                return Call(
                    title: lines[0],
                    attachment: lines[1],
                    arguments: lines[2],
                    input: (try? JSONSerialization.jsonObject(with: input)) as? [String: Any] ?? [:]
                )
            }
    }
}
