// SPDX-License-Identifier: Apache-2.0

import JSON

/// An attempt to get a packet through.
struct Probe {
    /// Where it came from.
    let source: String
    /// Where it went.
    let target: String
    /// What is there: the gateway, the neighbour, or a published port.
    let purpose: String
    /// The time until the answer; nothing if there was none.
    let nanoseconds: Int64?

    /// The attempt in JSON output.
    var json: JSON {
        [
            "from": .string(source), "to": .string(target), "purpose": .string(purpose),
            "microseconds": nanoseconds.map { .int(Int($0 / 1000)) } ?? .null,
        ]
    }
}
