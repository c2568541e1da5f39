// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Support

/// A plugin that a test writes as a shell script, and that notes how it was called.
struct FakePlugin: Sendable {
    /// The name, which goes into `type`.
    let name: String
    private let folder: String

    /// What to put into CNI_PATH so that this plugin and the real ones are found.
    var path: String { "\(folder):\(Executables.directory)" }

    /// Writes a plugin whose commands do what the lines say; a command that is not given succeeds in silence.
    init(_ name: String = "fake", on host: Host, _ lines: [String: String], reads: Bool = true) throws {
        self.name = name
        folder = host.directory.path("fake-\(name)")
        let cases = lines.sorted { $0.key < $1.key }.map { "\($0.key)) \($0.value) ;;" }
        let script = """
            #!/bin/sh
            echo "$CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME $CNI_ARGS" >> '\(folder)/calls'
            \(reads ? "/bin/cat > '\(folder)/stdin.'$CNI_COMMAND" : "")
            case $CNI_COMMAND in
            \(cases.joined(separator: "\n"))
            esac
            """
        // A process that another test starts meanwhile must not inherit the descriptor: the script would be busy.
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let file = unsafe open("\(folder)/\(name)", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o755)
        defer { close(file) }
        let bytes = Array(script.utf8)
        guard unsafe write(file, bytes, bytes.count) == bytes.count else { throw CocoaError(.fileWriteUnknown) }
    }

    /// The commands that it was called with, in order.
    var commands: [String] { calls.compactMap { $0.split(separator: " ").first.map { String($0) } } }

    /// One line for each call: command, container, interface, arguments.
    var calls: [String] {
        ((try? String(contentsOfFile: "\(folder)/calls", encoding: .utf8)) ?? "").split(separator: "\n").map {
            String($0)
        }
    }

    /// What was on its standard input when it was last called with a command.
    func input(_ command: String) -> [UInt8] {
        Array((try? Data(contentsOf: URL(fileURLWithPath: "\(folder)/stdin.\(command)"))) ?? Data())
    }
}
