// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A folder that goes with the value.
final class TemporaryFolder {
    /// Where it is.
    let path: String

    /// Makes an empty folder.
    init() throws {
        path = NSTemporaryDirectory() + "cnictl-tests-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The place of a file in it.
    func url(_ name: String) -> URL { URL(fileURLWithPath: "\(path)/\(name)") }

    /// Writes a file, with the folders that its name needs.
    func write(_ text: String, to name: String, executable: Bool = false) throws {
        let url = url(name)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
        if executable { try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: url.path) }
    }

    /// The text of a file.
    func read(_ name: String) throws -> String { String(decoding: try Data(contentsOf: url(name)), as: UTF8.self) }
}
