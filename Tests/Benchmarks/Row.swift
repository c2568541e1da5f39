// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What the numbers of a row are.
enum Unit: String, Encodable {
    /// Milliseconds of wall time.
    case milliseconds = "ms"

    /// Units of 1024 bytes.
    case kibibytes = "KiB"

    /// One of our own figures divided by another.
    case ratio = "×"
}

/// One line of the table: every sample of up to three programs, and what is asked of ours.
struct Row: Encodable {
    /// What was measured.
    let name: String

    /// What the samples are.
    let unit: Unit

    /// The samples of the C program.
    var floor: [Double] = []

    /// The samples of our plugins.
    var ours: [Double] = []

    /// The samples of the Go plugins.
    var reference: [Double] = []

    /// The most that ours may be as a multiple of the C program.
    let ofFloor: Double?

    /// The most that ours may be as a multiple of the Go plugins.
    let ofReference: Double?

    /// The most that the figure itself may be.
    let ofItself: Double?

    /// A row without samples.
    init(
        _ name: String,
        _ unit: Unit,
        ofFloor: Double? = nil,
        ofReference: Double? = nil,
        ofItself: Double? = nil
    ) {
        self.name = name
        self.unit = unit
        self.ofFloor = ofFloor
        self.ofReference = ofReference
        self.ofItself = ofItself
    }

    /// How often ours is as much as what was measured next to it in the column of the C program.
    ///
    /// Whatever else the machine did in that moment hit both alike.
    init(_ name: String, ratiosIn row: Row, atMost limit: Double? = nil) {
        self.init(name, .ratio, ofItself: limit)
        ours = zip(row.ours, row.floor).map { $0 / $1 }
    }

    /// Our median divided by that of the C program.
    var overFloor: Double? { unit == .ratio ? nil : Self.quotient(ours, floor) }

    /// Our median divided by that of the Go plugins.
    var overReference: Double? { unit == .ratio ? nil : Self.quotient(ours, reference) }

    /// What is asked, in words.
    var target: String {
        let limits = [(ofFloor, " C"), (ofReference, " Go"), (ofItself, "")]
        return limits.compactMap { limit, of in limit.map { "≤ \($0)\(of)" } }.joined(separator: ", ")
    }

    /// Whether ours does what is asked; nothing if nothing is asked.
    var isWithinTarget: Bool? {
        let pairs = [(ofFloor, overFloor), (ofReference, overReference), (ofItself, ours.isEmpty ? nil : ours.median)]
        let checks = pairs.compactMap { limit, value in limit.map { limit in value.map { $0 <= limit } ?? false } }
        return checks.isEmpty ? nil : checks.allSatisfy { $0 }
    }

    /// The quotient of two medians, if both have samples.
    private static func quotient(_ one: [Double], _ other: [Double]) -> Double? {
        one.isEmpty || other.isEmpty ? nil : one.median / other.median
    }
}

extension [Double] {
    /// The middle value.
    var median: Double { percentile(50) }

    /// The value that so many per cent of the samples do not exceed, interpolated.
    func percentile(_ percent: Double) -> Double {
        guard !isEmpty else { return .nan }
        let sorted = sorted()
        let position = percent / 100 * Double(count - 1)
        let low = Int(position)
        let high = Swift.min(low + 1, count - 1)
        return sorted[low] + (sorted[high] - sorted[low]) * (position - Double(low))
    }
}
