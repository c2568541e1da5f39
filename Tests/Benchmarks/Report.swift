// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What a run found, as a table and as JSON.
struct Report: Encodable {
    /// Where it was measured.
    let machine: Machine

    /// How often each program was measured.
    let rounds: Int

    /// All rows with every sample.
    let rows: [Row]

    /// The machine, the table and the noise.
    var text: String {
        let head = ["", "unit", "floor", "ours", "reference", "ours/floor", "ours/ref.", "target", "verdict"]
        let lines = [head] + rows.map(cells)
        let widths = head.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        let table = lines.map { line in
            line.indices.map { Self.pad(line[$0], widths[$0], left: (2...6).contains($0)) }.joined(separator: "  ")
        }
        return ([machine.text, ""] + table.map(Self.trimmed) + [""] + noise).joined(separator: "\n")
    }

    /// Writes everything, every sample included.
    func writeJSON(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf",
            negativeInfinity: "-inf",
            nan: "nan"
        )
        do {
            try encoder.encode(self).write(to: URL(fileURLWithPath: path))
        } catch {
            throw Failure("\(path): \(error.localizedDescription)")
        }
    }

    /// One line of the table.
    private func cells(_ row: Row) -> [String] {
        let medians = [row.floor, row.ours, row.reference].map { $0.isEmpty ? "–" : Self.number($0.median) }
        let ratios = [row.overFloor, row.overReference].map { $0.map { String(format: "%.2f", $0) } ?? "–" }
        let verdict = row.isWithinTarget.map { $0 ? "ok" : "over" } ?? ""
        return [row.name, row.unit.rawValue] + medians + ratios + [row.target, verdict]
    }

    /// How much the C program's own times vary, which is how far to trust the rest.
    private var noise: [String] {
        rows.filter { $0.unit == .milliseconds && !$0.floor.isEmpty }.map { row in
            let ends = [row.floor.percentile(10), row.floor.percentile(90)].map(Self.number)
            return "noise: floor of \(row.name): p10 \(ends[0]) ms, p90 \(ends[1]) ms"
        }
    }

    /// Three significant digits or so.
    private static func number(_ value: Double) -> String {
        String(format: value >= 100 ? "%.0f" : value >= 10 ? "%.1f" : "%.2f", value)
    }

    /// The text, filled up with spaces.
    private static func pad(_ text: String, _ width: Int, left: Bool) -> String {
        let space = String(repeating: " ", count: max(0, width - text.count))
        return left ? space + text : text + space
    }

    /// The line without the spaces at its end.
    private static func trimmed(_ line: String) -> String {
        String(line.reversed().drop { $0 == " " }.reversed())
    }
}

/// The machine of a run.
struct Machine: Encodable {
    /// The kernel's name, release and architecture.
    let kernel: String

    /// The name of the processor.
    let processor: String

    /// How many processors are in use.
    let cores: Int

    /// The load average of the last minute, when the run began.
    let load: String

    /// Asks the kernel.
    init() {
        var names = utsname()
        uname(&names)
        kernel = [Self.text(names.sysname), Self.text(names.release), Self.text(names.machine)].joined(separator: " ")
        cores = sysconf(Int32(_SC_NPROCESSORS_ONLN))
        let information = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let model = information.split(separator: "\n").first { $0.hasPrefix("model name") }
        processor = model?.split(separator: ":").last?.trimmingCharacters(in: .whitespaces) ?? "unknown processor"
        let average = (try? String(contentsOfFile: "/proc/loadavg", encoding: .utf8)) ?? ""
        load = average.split(separator: " ").first.map(String.init) ?? "unknown"
    }

    /// The machine in one line.
    var text: String { "machine: \(kernel), \(processor), \(cores) cores, load \(load)" }

    /// The text in one of the arrays that C declares.
    private static func text(_ field: some Any) -> String {
        withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
