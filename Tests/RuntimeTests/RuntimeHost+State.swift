// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Support
import Testing

/// What a host looks like when no container is there.
extension RuntimeHost {
    /// The state of the host that containers must leave as they found it.
    struct State {
        fileprivate let namespace: HostState
        fileprivate let rules: String
        fileprivate let files: [String]

        fileprivate func difference(from earlier: State) -> String {
            namespace.difference(from: earlier.namespace).description
                + UnifiedDiff(earlier.rules, rules, oldName: "rules before", newName: "rules after").description
                + UnifiedDiff(
                    earlier.files.joined(separator: "\n"),
                    files.joined(separator: "\n"),
                    oldName: "files before",
                    newName: "files after"
                ).description
        }
    }

    /// Takes the state.
    func state() throws -> State {
        State(namespace: try inside.inside { try HostState() }, rules: try rules(), files: files())
    }

    /// What iptables knows, without its counters.
    private func rules() throws -> String {
        try inside.inside {
            try ["iptables-save", "ip6tables-save"].filter { Programs.path($0) != nil }
                .map { "\($0)\n\(try Programs.run($0))" }.joined()
                .split(separator: "\n").filter { !$0.hasPrefix("#") }
                .map { $0.replacing(/\[\d+:\d+\]/, with: "") }.joined(separator: "\n")
        }
    }

    /// The files that stand for a container: leases, kept results, namespaces.
    ///
    /// What an address store keeps for itself may stay: its lock, its index and where it goes on.
    private func files() -> [String] {
        ["/var/lib/cni", "/run/netns", "/run/cni"].flatMap { folder in
            let paths = (try? FileManager.default.subpathsOfDirectory(atPath: own(folder))) ?? []
            return paths.map { "\(folder)/\($0)" }.filter { path in
                var isFolder: ObjCBool = false
                let name = path.split(separator: "/").last ?? ""
                let isOwn = name == "lock" || name.hasPrefix("last_reserved_ip.") || path.contains("/.")
                return FileManager.default.fileExists(atPath: own(path), isDirectory: &isFolder) && !isFolder.boolValue
                    && !isOwn
            }
        }.sorted()
    }

    /// Expects that of all containers since an earlier state nothing is left but some bridges, and removes these.
    func expectNothingLeft(
        since before: State,
        but bridges: [String] = [],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try inside.inside {
            for bridge in bridges {
                #expect(throws: Never.self, "the bridge \(bridge) should stay", sourceLocation: sourceLocation) {
                    try Programs.run("ip", "link", "delete", bridge, "type", "bridge")
                }
            }
        }
        var difference = ""
        // The kernel clears away namespaces and what is in them after their last user has gone.
        let isClear = try eventually(60) {
            difference = try state().difference(from: before)
            return difference.isEmpty
        }
        if isClear { return }
        Issue.record("containers left something behind:\n\(difference)", sourceLocation: sourceLocation)
    }
}
