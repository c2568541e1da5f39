// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// The files of testdata: what a test expects, in a form that a reviewer can read.
public enum Golden {
    /// The folder testdata of the repository, found from where this file was compiled.
    ///
    /// CNI_TESTDATA names another one, for test bundles that are run elsewhere.
    public static var directory: String {
        if let given = ProcessInfo.processInfo.environment["CNI_TESTDATA"], !given.isEmpty { return given }
        let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        return (parts.dropLast(3) + ["testdata"]).joined(separator: "/")
    }

    /// Whether the files are to be written instead of compared.
    public static var isUpdating: Bool { ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1" }

    /// The path of a file below testdata.
    public static func path(_ relative: String) -> String { "\(directory)/\(relative)" }

    /// The text of a file below testdata.
    public static func text(_ relative: String) throws -> String {
        try String(contentsOfFile: path(relative), encoding: .utf8)
    }

    /// The names of the files in a folder below testdata that end in a suffix, in order.
    public static func names(in relative: String, suffix: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path(relative)).filter { $0.hasSuffix(suffix) }.sorted()
    }
}

/// Expects a text to be that of a file below testdata, and shows the difference if it is not.
///
/// With UPDATE_GOLDEN=1 the file is written and the test fails all the same, so that nothing is recorded by accident.
public func expectGolden(_ relative: String, _ text: String, sourceLocation: SourceLocation = #_sourceLocation) {
    let path = Golden.path(relative)
    let recorded = try? Golden.text(relative)
    if recorded == text { return }
    guard Golden.isUpdating else {
        let difference =
            recorded.map { UnifiedDiff($0, text, oldName: relative).description } ?? "there is no such file"
        let advice = "testdata/\(relative) differs; UPDATE_GOLDEN=1 rewrites it"
        Issue.record("\(advice)\n\(difference)", sourceLocation: sourceLocation)
        return
    }
    do {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        Issue.record(
            "testdata/\(relative) was written; look at the difference before keeping it",
            sourceLocation: sourceLocation
        )
    } catch {
        Issue.record(error, "cannot write \(path)", sourceLocation: sourceLocation)
    }
}
