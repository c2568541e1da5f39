// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support

/// Rehearsals on several hosts: the files that are tried, and what came of them.
struct HostsTrial {
    /// What cnictl left when it ended.
    let outcome: PrivateHost.Outcome

    /// Tries a file with a number of hosts.
    init(
        _ file: String,
        hosts: Int = 3,
        _ arguments: [String] = ["--json"],
        plugins: String = PrivateHost.directory,
        environment: [String: String] = [:]
    ) throws {
        outcome = try PrivateHost.run(
            "\(PrivateHost.directory)/cnictl",
            ["try", file, "--hosts", "\(hosts)"] + arguments,
            environment.merging(["CNI_PATH": plugins]) { $1 }
        )
    }

    /// The path of a file that operators install.
    static func installed(_ name: String) -> String { "\(Golden.directory)/../conf/\(name).conflist" }

    /// What was printed, for messages of tests.
    var text: String { outcome.output + outcome.error }

    /// The outcome of each step.
    var steps: [String: String] {
        let steps = outcome.json["steps"] as? [[String: Any]] ?? []
        return Dictionary(
            steps.map { ($0["step"] as? String ?? "", $0["outcome"] as? String ?? "") },
            uniquingKeysWith: { $1 }
        )
    }

    /// The steps that failed, with what was said of them.
    var failures: [(step: String, detail: String)] {
        (outcome.json["steps"] as? [[String: Any]] ?? []).filter { $0["outcome"] as? String == "failed" }
            .map { ($0["step"] as? String ?? "", $0["detail"] as? String ?? "") }
    }

    /// The attempts that were answered, as "container1 to 10.5.2.2".
    var answered: [String] {
        (outcome.json["probes"] as? [[String: Any]] ?? []).filter { $0["microseconds"] is Int }
            .map { "\($0["from"] as? String ?? "?") to \($0["to"] as? String ?? "?")" }
    }

    /// What was found at the end.
    func list(_ key: String) -> [String] { outcome.json[key] as? [String] ?? [] }

    /// The hosts.
    var hosts: [[String: Any]] { outcome.json["hosts"] as? [[String: Any]] ?? [] }
}

/// The processes that bear a mark in their environment, which all inherit that one of them starts.
struct MarkedProcesses {
    /// The variable.
    let environment: [String: String]
    private let mark: String

    /// Draws a mark that no other process has.
    init() {
        let value = UUID().uuidString
        (mark, environment) = ("CNICTL_TEST_MARK=\(value)", ["CNICTL_TEST_MARK": value])
    }

    /// The names of those that live.
    func names() -> [String] {
        let numbers = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return numbers.filter { Int($0) != nil }.compactMap { number in
            guard let data = FileManager.default.contents(atPath: "/proc/\(number)/environ"),
                String(decoding: data, as: UTF8.self).split(separator: "\0").contains(Substring(mark))
            else {
                return nil
            }
            let name = FileManager.default.contents(atPath: "/proc/\(number)/comm") ?? Data()
            return String(decoding: name, as: UTF8.self).trimmingCharacters(in: .newlines)
        }
    }
}
