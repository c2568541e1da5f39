// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support

/// The executables under test, and how to run them where they can do no harm.
enum PrivateHost {
    /// What a program left when it ended.
    struct Outcome {
        /// The exit code; the negated number of a signal.
        let code: Int32
        /// Standard output.
        let output: String
        /// Standard error.
        let error: String

        /// Standard output as an object.
        var json: [String: Any] {
            (try? JSONSerialization.jsonObject(with: Data(output.utf8))) as? [String: Any] ?? [:]
        }
    }

    /// The directory with the executables.
    static var directory: String { Executables.directory }

    /// The reference's plugins, where Debian puts them.
    static let referencePlugins = "/usr/lib/cni"

    /// Whether a plugin of ours has been built.
    static func has(_ names: String...) -> Bool {
        names.allSatisfy { FileManager.default.isExecutableFile(atPath: "\(directory)/\($0)") }
    }

    /// Whether namespaces can be made.
    static var isRoot: Bool { geteuid() == 0 }

    /// Runs a shell script on a private host: in fresh namespaces, with everything below /run and /var/lib in memory.
    ///
    /// The script finds the executable under test as $CNICTL.
    static func script(_ text: String, _ environment: [String: String] = [:]) throws -> Outcome {
        let prelude = """
            mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/lib || exit 99
            mkdir -p /run/netns
            """
        return try run(
            "/usr/bin/unshare",
            ["-mn", "--propagation", "private", "/bin/bash", "-c", "\(prelude)\n\(text)"],
            environment
        )
    }

    /// Runs a program with the test's environment and more.
    static func run(_ path: String, _ arguments: [String], _ environment: [String: String] = [:]) throws -> Outcome {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.environment = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "CNICTL": "\(directory)/cnictl"]
            .merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        // Files instead of pipes: none can fill up.
        let folder = try TemporaryFolder()
        for name in ["out", "err"] { try folder.write("", to: name) }
        process.standardOutput = try FileHandle(forWritingTo: folder.url("out"))
        process.standardError = try FileHandle(forWritingTo: folder.url("err"))
        try process.run()
        process.waitUntilExit()
        let code = process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
        return Outcome(code: code, output: try folder.read("out"), error: try folder.read("err"))
    }
}
