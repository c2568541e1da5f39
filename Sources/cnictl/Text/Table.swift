// SPDX-License-Identifier: Apache-2.0

/// Rows of words, laid out in columns.
struct Table {
    private var rows: [[String]]

    /// Starts with a headline.
    init(_ headline: [String]) { rows = [headline] }

    /// Whether there is nothing below the headline.
    var isEmpty: Bool { rows.count == 1 }

    /// Adds a row.
    mutating func append(_ row: [String]) { rows.append(row) }

    /// The lines, with columns as wide as their longest word.
    func lines(indent: Int) -> [String] {
        var widths: [Int] = []
        for row in rows {
            for (column, word) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], word.columns)
            }
        }
        return rows.map { row in
            var line = String(repeating: " ", count: indent)
            for (column, word) in row.enumerated() {
                line += column == row.count - 1 ? word : word.padded(to: widths[column] + 2)
            }
            return line
        }
    }
}

extension String {
    /// How many places it takes on a terminal, as far as names and addresses go.
    var columns: Int { unicodeScalars.count }

    /// The text with spaces behind it up to a number of places.
    func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - columns)) }

    /// The text with spaces before it up to a number of places.
    func rightAligned(to width: Int) -> String { String(repeating: " ", count: max(0, width - columns)) + self }
}

/// Spans of time as people read them.
enum TimeText {
    /// Milliseconds with one digit behind the point.
    static func milliseconds(_ nanoseconds: Int64) -> String {
        let tenths = (nanoseconds + 50_000) / 100_000
        return "\(tenths / 10).\(tenths % 10) ms"
    }

    /// Microseconds, or milliseconds where there are many of them.
    static func short(_ nanoseconds: Int64) -> String {
        nanoseconds < 10_000_000 ? "\(nanoseconds / 1000) µs" : milliseconds(nanoseconds)
    }
}
