// SPDX-License-Identifier: Apache-2.0

import CNI
import JSON

/// One act of a trial and what came of it.
struct Step {
    /// What can come of an act.
    enum Outcome {
        /// It worked.
        case ok
        /// It did not work.
        case failed
        /// There was nothing to do, for a reason that is shown.
        case skipped

        /// The word in JSON output.
        var name: String {
            switch self {
            case .ok: "ok"
            case .failed: "failed"
            case .skipped: "skipped"
            }
        }

        /// The sign in front of a line.
        var mark: String {
            switch self {
            case .ok: "✓"
            case .failed: "✗"
            case .skipped: "-"
            }
        }
    }

    /// What was done.
    let title: String
    /// What came of it.
    let outcome: Outcome
    /// How long it took.
    let nanoseconds: Int64
    /// Numbers, or the reason; may be empty.
    let detail: String
    /// The failure, if it is that of a plugin or the kernel.
    let failure: Failure?

    /// The step in JSON output.
    var json: JSON {
        var object = JSONObject([
            .init("step", .string(title)), .init("outcome", .string(outcome.name)),
            .init("microseconds", .int(Int(nanoseconds / 1000))),
        ])
        if !detail.isEmpty { object.append("detail", .string(detail)) }
        if let failure {
            if !failure.plugin.isEmpty { object.append("plugin", .string(failure.plugin)) }
            object.append("error", failure.error.json(version: Version.newest.description))
        }
        return .object(object)
    }
}
