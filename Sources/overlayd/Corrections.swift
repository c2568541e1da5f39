// SPDX-License-Identifier: Apache-2.0

/// When what is known is to be compared with the kernel, because somebody has changed something there; in milliseconds.
///
/// Whoever undoes again and again what was corrected must not keep the host busy nor fill its log. So the more often that was so
/// within a minute, the longer the next comparison is put off, and the more seldom something is said.
struct Corrections {
    /// When the next comparison is to be made; nothing if there is no need.
    ///
    /// It stays until the comparison was made, whatever fails meanwhile.
    private(set) var due: Int?
    /// How often in a row that was so, and when last.
    private var (rounds, last) = (0, 0)
    /// How many entries were corrected and not spoken of.
    private var unsaid = 0

    /// Asks for a comparison, a moment later, because the kernel often has more to tell at once; and at most so much later.
    mutating func ask(_ now: Int, atMost limit: Int) {
        if now - last > 60_000 { rounds = 0 }
        due = due ?? now + min(100 << min(max(0, rounds - 1), 10), limit)
    }

    /// Notes that a comparison was made, which corrected so many entries, and says how many are to be spoken of.
    mutating func succeed(_ now: Int, _ count: Int) -> Int {
        due = nil
        return correct(now, count)
    }

    /// Notes that so many entries were corrected, and says how many are to be spoken of.
    mutating func correct(_ now: Int, _ count: Int) -> Int {
        if count == 0 { return 0 }
        tire(now)
        unsaid += count
        // The first time, the second, the fourth, and so on.
        if rounds & (rounds - 1) != 0 { return 0 }
        defer { unsaid = 0 }
        return unsaid
    }

    /// Notes that a comparison failed, and is to be made again.
    mutating func fail(_ now: Int, atMost limit: Int) {
        tire(now)
        due = nil
        ask(now, atMost: limit)
    }

    /// Puts comparisons off for longer from now on.
    mutating func tire(_ now: Int) {
        if now - last > 60_000 { rounds = 0 }
        (rounds, last) = (rounds + 1, now)
    }
}
