// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Random numbers that come again with the same seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    /// What to put into the environment variable SEED to see the same numbers again.
    let seed: UInt64

    /// Where the sequence is.
    private var state: UInt64

    /// Takes the seed from the environment, or a new one, and prints it.
    init(for test: String) {
        seed = ProcessInfo.processInfo.environment["SEED"].flatMap { UInt64($0) } ?? .random(in: 0 ... .max)
        state = seed
        print("\(test): SEED=\(seed)")
    }

    /// The next 64 bits.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var bits = state
        bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
        return bits ^ (bits >> 31)
    }
}
