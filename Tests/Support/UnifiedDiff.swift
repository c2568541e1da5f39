// SPDX-License-Identifier: Apache-2.0

/// The difference of two texts in the form of diff -u.
public struct UnifiedDiff: CustomStringConvertible, Sendable {
    /// The lines of the difference; empty if the texts are equal.
    public let description: String

    /// Whether the texts are equal.
    public var isEmpty: Bool { description.isEmpty }

    /// Compares two texts line by line.
    public init(_ old: String, _ new: String, oldName: String = "expected", newName: String = "actual") {
        guard old != new else {
            description = ""
            return
        }
        let (lines, hunks) = Self.hunks(Self.edits(Self.split(old), Self.split(new)))
        let text = hunks.map { Self.text(lines, $0) }
        description = (["--- \(oldName)", "+++ \(newName)"] + text).joined(separator: "\n")
    }

    private static let context = 3

    private struct Edit {
        let mark: Character
        let text: String
        let oldNumber: Int
        let newNumber: Int
    }

    /// A text's lines; the missing line break at an end is made visible as diff does it.
    private static func split(_ text: String) -> [String] {
        if text.isEmpty { return [] }
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { String($0) }
        if lines.last == "" { lines.removeLast() } else { lines.append("\\ No newline at end of file") }
        return lines
    }

    private static func edits(_ old: [String], _ new: [String]) -> [Edit] {
        let difference = new.difference(from: old)
        var (removed, inserted): (Set<Int>, Set<Int>) = ([], [])
        for change in difference {
            switch change {
            case .remove(let offset, _, _): removed.insert(offset)
            case .insert(let offset, _, _): inserted.insert(offset)
            }
        }
        var (edits, o, n): ([Edit], Int, Int) = ([], 0, 0)
        while o < old.count || n < new.count {
            if o < old.count, removed.contains(o) {
                edits.append(Edit(mark: "-", text: old[o], oldNumber: o, newNumber: n))
                o += 1
            } else if n < new.count, inserted.contains(n) {
                edits.append(Edit(mark: "+", text: new[n], oldNumber: o, newNumber: n))
                n += 1
            } else {
                edits.append(Edit(mark: " ", text: old[o], oldNumber: o, newNumber: n))
                o += 1
                n += 1
            }
        }
        return edits
    }

    /// The ranges of lines that are shown: each change with a few lines around it.
    private static func hunks(_ edits: [Edit]) -> ([Edit], [Range<Int>]) {
        var hunks: [Range<Int>] = []
        for index in edits.indices where edits[index].mark != " " {
            let range = max(0, index - context)..<min(edits.count, index + context + 1)
            if let last = hunks.last, last.upperBound >= range.lowerBound {
                hunks[hunks.count - 1] = last.lowerBound..<range.upperBound
            } else {
                hunks.append(range)
            }
        }
        return (edits, hunks)
    }

    private static func text(_ edits: [Edit], _ hunk: Range<Int>) -> String {
        let part = edits[hunk]
        let old = part.count { $0.mark != "+" }
        let new = part.count { $0.mark != "-" }
        let start = edits[hunk.lowerBound]
        let oldStart = old == 0 ? start.oldNumber : start.oldNumber + 1
        let newStart = new == 0 ? start.newNumber : start.newNumber + 1
        let head = "@@ -\(oldStart),\(old) +\(newStart),\(new) @@"
        return ([head] + part.map { "\($0.mark)\($0.text)" }).joined(separator: "\n")
    }
}
