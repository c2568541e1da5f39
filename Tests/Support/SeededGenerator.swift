// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Random numbers that come again with the same seed (SplitMix64).
///
/// The whole process has one seed: that of the environment variable SEED, or a new one. Each generator mixes its own
/// name into it, so a test gets the same numbers whichever tests run beside it.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    /// What to put into SEED to see the same numbers again.
    public static let seed: UInt64 =
        ProcessInfo.processInfo.environment["SEED"].flatMap { UInt64($0) } ?? .random(in: 0 ... .max)

    private var state: UInt64

    /// Makes a generator; the name is that of what it is for.
    public init(_ name: String) {
        state = name.utf8.reduce(Self.seed) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
    }

    /// The next 64 bits.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var bits = state
        bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
        return bits ^ (bits >> 31)
    }

    /// As many random bytes.
    public mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
}

extension Trait where Self == IssueHandlingTrait {
    /// Adds the seed to every failure of the test or suite.
    public static var seeded: Self {
        .compactMapIssues { issue in
            var issue = issue
            issue.comments.append("repeat with SEED=\(SeededGenerator.seed)")
            return issue
        }
    }
}
