// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A directory that is removed with all its content at the end of its life.
public final class TemporaryDirectory: Sendable {
    /// The path of the directory, without links in it.
    public let path: String

    /// Makes an empty directory that only its owner may enter.
    public init() throws {
        let base = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
        path = "\(base)/swift-cni-test.\(UUID().uuidString.prefix(13))"
        try FileManager.default.createDirectory(
            atPath: path,
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The path of something in the directory.
    public func path(_ name: String) -> String { "\(path)/\(name)" }

    /// Writes a file and returns its path.
    @discardableResult
    public func write(_ text: String, to name: String, permissions: Int = 0o644) throws -> String {
        let place = path(name)
        let folder = URL(fileURLWithPath: place).deletingLastPathComponent().path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: place))
        try FileManager.default.setAttributes([.posixPermissions: permissions], ofItemAtPath: place)
        return place
    }
}
