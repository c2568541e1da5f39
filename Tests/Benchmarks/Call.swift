// SPDX-License-Identifier: Apache-2.0

import Foundation

/// One run of a program: what it is given and where its output goes.
struct Call {
    /// The path of the program.
    var program: String

    /// The arguments after the program's name.
    var arguments: [String] = []

    /// The whole environment, `PATH` apart.
    var environment: [String: String] = [:]

    /// The file that becomes standard input.
    var input = "/dev/null"

    /// The file that becomes standard output; standard error goes to a neighbour of it.
    var output: String? = "\(Isolation.scratch)/calls/last"

    /// The search path that every program gets.
    private static let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    /// Where standard error goes.
    var errors: String? { output.map { $0 + ".errors" } }

    /// Runs the program and returns the milliseconds from the spawn to the end.
    @discardableResult
    func run() throws -> Double { try cost().wall }

    /// What a run took, in milliseconds.
    struct Cost {
        /// From the spawn to the end.
        let wall: Double

        /// On a processor.
        let processor: Double
    }

    /// Runs the program and returns what it took.
    func cost() throws -> Cost {
        let prepared = try Spawn(self)
        let begin = Clock.milliseconds
        try prepared.start()
        let (status, processor) = try prepared.waitForUsage()
        let end = Clock.milliseconds
        try check(status)
        return Cost(wall: end - begin, processor: processor)
    }

    /// Runs all at once and returns the milliseconds from the first spawn to the last end.
    static func runTogether(_ calls: [Call]) throws -> Double {
        let prepared = try calls.map(Spawn.init)
        let begin = Clock.milliseconds
        for spawn in prepared { try spawn.start() }
        let statuses = try prepared.map { try $0.wait() }
        let end = Clock.milliseconds
        for (call, status) in zip(calls, statuses) { try call.check(status) }
        return end - begin
    }

    /// Runs a tool of the system, which is searched for.
    static func tool(_ command: [String], input: String = "/dev/null", output: String?) throws {
        let name = command.first ?? ""
        let candidates = path.split(separator: ":").map { "\($0)/\(name)" }
        guard let found = candidates.first(where: { access($0, X_OK) == 0 }) else {
            throw Failure("\(name) is not installed (iproute2 and util-linux are needed)")
        }
        try Call(program: found, arguments: Array(command.dropFirst()), input: input, output: output).run()
    }

    /// The environment as the kernel takes it.
    var environmentStrings: [String] {
        ["PATH=\(Self.path)"] + environment.map { "\($0.key)=\($0.value)" }.sorted()
    }

    /// Throws with everything the program wrote, if it failed.
    private func check(_ status: Int32) throws {
        guard status != 0 else { return }
        let signal = status & 0x7f
        let how = signal == 0 ? "exit status \((status >> 8) & 0xff)" : "signal \(signal)"
        let what = ([program] + arguments).joined(separator: " ")
        let command = environment["CNI_COMMAND"].map { " \($0)" } ?? ""
        let texts = [output, errors].compactMap { $0 }.map { (try? String(contentsOfFile: $0, encoding: .utf8)) ?? "" }
        throw Failure("\(what)\(command): \(how)\n" + texts.filter { !$0.isEmpty }.joined(separator: "\n"))
    }
}

/// The clock of all measurements.
enum Clock {
    /// The monotonic time in milliseconds.
    static var milliseconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) * 1e3 + Double(time.tv_nsec) / 1e6
    }
}
