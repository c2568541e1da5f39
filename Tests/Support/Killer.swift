// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// Kills calls of one kind at random moments of their lives, and learns from each how long they live.
///
/// A time that is written down is a moment of the middle on one machine, and on a faster one it comes after the end. The limit of the
/// delays shrinks with each call that ended first and grows with each that was hit, and so most are hit wherever the tests run.
public final class Killer: Sendable {
    // In microseconds.
    private let limit: Mutex<Double>

    /// Begins with a guess at how long a call lives.
    public init(guessedMicroseconds guess: Double) { limit = Mutex(guess) }

    /// Starts a program, kills it at a moment unless it ends before, and waits for its end.
    ///
    /// The delay counts from the program's own start; the moment is a part of the limit of the delays, or none.
    public func run(_ process: PluginProcess, at moment: Double?) throws -> PluginProcess.Outcome {
        guard let moment else { return try process.run() }
        let running = try process.start()
        usleep(useconds_t(limit.withLock { $0 * moment }))
        running.send(SIGKILL)
        let outcome = try running.finish()
        limit.withLock { $0 = min($0 * (outcome.signal == nil ? 0.7 : 1.1), 100_000) }
        return outcome
    }

    /// Runs programs, so many at once, and kills a share of them.
    ///
    /// - Returns: How each of them ended.
    public func run(
        _ processes: [PluginProcess],
        atOnce count: Int,
        killing share: Double,
        _ random: inout SeededGenerator
    ) throws -> [PluginProcess.Outcome] {
        let moments = processes.map { _ in random.moment(share: share) }
        var outcomes: [PluginProcess.Outcome] = []
        for start in stride(from: 0, to: processes.count, by: count) {
            let threads = zip(processes, moments).dropFirst(start).prefix(count).map { process, moment in
                BackgroundThread { Result { try self.run(process, at: moment) } }
            }
            outcomes += try threads.map { $0.join() }.map { try $0.get() }
        }
        return outcomes
    }
}

extension SeededGenerator {
    /// A moment at which to kill something, which for a share of the calls there is.
    public mutating func moment(share: Double = 1) -> Double? {
        let (dice, moment) = (Double.random(in: 0..<1, using: &self), Double.random(in: 0..<1, using: &self))
        return dice < share ? moment : nil
    }
}
