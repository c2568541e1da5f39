// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support

/// A folder of testdata/golden: steps that are run one after the other on a fresh host.
///
///     <plugin>/<case>/prepare            lines such as `ip link add …`, run on the host before the first step; may be missing
///     <plugin>/<case>/<n>-<COMMAND>/     a step, with the files
///         environment                    the variables besides CNI_COMMAND and CNI_PATH, one a line
///         stdin.json                     standard input
///         stdout  exit  host  container  what came of it; what is empty has no file
///
/// In `environment` and `stdin.json`, `$NETNS` is the path of the container's namespace, `$BLUE` and `$RED` are others,
/// `$DIR` is a folder that only the case has, and the text `"$RESULT"` is the result of the last ADD that succeeded.
struct GoldenCase: Sendable, CustomStringConvertible {
    /// The folder below testdata.
    let folder: String
    /// The plugin that all steps call.
    let plugin: String

    var description: String { folder.replacing("golden/", with: "", maxReplacements: 1) }

    /// All cases that there are.
    static func all() throws -> [GoldenCase] {
        try folders(in: "golden").flatMap { plugin in
            try folders(in: "golden/\(plugin)").map { GoldenCase(folder: "golden/\(plugin)/\($0)", plugin: plugin) }
        }
    }

    /// The folders of the steps, in order.
    func steps() throws -> [String] {
        let number = { (name: String) in Int(name.prefix { $0 != "-" }) ?? 0 }
        return try Self.folders(in: folder).sorted { number($0) < number($1) }.map { "\(folder)/\($0)" }
    }

    private static func folders(in folder: String) throws -> [String] {
        let manager = FileManager.default
        guard manager.fileExists(atPath: Golden.path(folder)) else { return [] }
        return try manager.contentsOfDirectory(atPath: Golden.path(folder)).filter { name in
            let attributes = try manager.attributesOfItem(atPath: Golden.path("\(folder)/\(name)"))
            return attributes[.type] as? FileAttributeType == .typeDirectory
        }.sorted()
    }
}
