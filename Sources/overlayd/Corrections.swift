// SPDX-License-Identifier: Apache-2.0

/// When what is known is to be compared with the kernel, because somebody has changed something there.
struct Corrections {
    /// When, in milliseconds; nothing if there is no need.
    ///
    /// It stays until the comparison was made, whatever fails meanwhile.
    private(set) var due: Int?

    /// Asks for a comparison, a moment later, because the kernel often has more to tell at once.
    mutating func ask(_ now: Int) { due = due ?? now + 100 }

    /// Notes that a comparison was made.
    mutating func succeed() { due = nil }

    /// Notes that a comparison failed, and is to be made again.
    mutating func fail(_ now: Int) {
        due = nil
        ask(now)
    }
}
