// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Measures our plugins against the Go reference and against a C program that does the least possible.
///
/// Every number is a ratio within one run: the programs take turns, so that a busy machine is slow for all of them.
/// See `Options.usage` for the arguments.
@main
enum Benchmarks {
    /// Reads the arguments, moves into private namespaces, measures and prints.
    static func main() {
        do {
            let options = try Options(arguments: Array(CommandLine.arguments.dropFirst()))
            try options.check()
            try Isolation.enter()
            try Isolation.prepare()
            try run(options)
        } catch let failure as Failure {
            note("benchmarks: \(failure.message)")
            exit(failure.status)
        } catch {
            note("benchmarks: \(error)")
            exit(1)
        }
    }

    /// Measures the chosen groups and prints the table.
    private static func run(_ options: Options) throws {
        let runner = try Runner(options: options)
        let machine = Machine()
        var rows: [Row] = []
        for group in options.groups {
            note("measuring \(group.rawValue) ...")
            rows += try runner.measure(group)
        }
        let report = Report(machine: machine, rounds: options.rounds, rows: rows)
        print(report.text)
        if let file = options.json { try report.writeJSON(to: file) }
    }
}

/// Writes one line to standard error, so that standard output stays the table.
func note(_ line: String) {
    FileHandle.standardError.write(Data((line + "\n").utf8))
}

/// What ends a run early, in words for the person who started it.
struct Failure: Error {
    /// What went wrong and what to do about it.
    let message: String

    /// The exit status: 2 for wrong arguments, 1 for everything else.
    let status: Int32

    /// Runs a body whose errors may be any, and gives those on that are not ours in words.
    static func keep<R>(_ body: () throws -> R) throws(Failure) -> R {
        do { return try body() } catch { throw (error as? Failure) ?? Failure("\(error)") }
    }

    /// A failure with its text.
    init(_ message: String, status: Int32 = 1) {
        self.message = message
        self.status = status
    }
}
