// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Where the plugins are that black-box tests run.
public enum Executables {
    /// The directory of the plugins: CNI_TEST_BIN, or else where the package manager put the test bundle and them.
    public static var directory: String {
        if let given = ProcessInfo.processInfo.environment["CNI_TEST_BIN"], !given.isEmpty { return given }
        let bundle = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "."
        return URL(fileURLWithPath: bundle).deletingLastPathComponent().path
    }

    /// Whether they are a release, which is optimised.
    public static var isRelease: Bool { !(ProcessInfo.processInfo.environment["CNI_TEST_BIN"] ?? "").isEmpty }

    /// The path of a plugin.
    public static func path(_ name: String) -> String { "\(directory)/\(name)" }

    /// Whether a plugin was built.
    public static func exists(_ name: String) -> Bool { FileManager.default.isExecutableFile(atPath: path(name)) }
}
