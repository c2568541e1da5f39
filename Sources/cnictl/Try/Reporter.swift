// SPDX-License-Identifier: Apache-2.0

import CNI
import Linux

/// Keeps the steps of a trial and shows each as soon as it is done.
final class Reporter {
    /// What was done so far.
    private(set) var steps: [Step] = []
    private let isSilent: Bool
    private let hasColor: Bool

    /// Makes a reporter without steps.
    ///
    /// It is silent if a document follows at the end.
    init(isSilent: Bool, environment: Environment) {
        self.isSilent = isSilent
        hasColor = !isSilent && StandardStreams.outputIsTerminal && (environment["NO_COLOR"] ?? "").isEmpty
    }

    /// Whether a step failed.
    var hasFailures: Bool { steps.contains { $0.outcome == .failed } }

    /// Does a step; nothing comes back if it failed.
    ///
    /// A request to end is heard between two steps. Nothing need be undone, since the private host ends with the process.
    func step<R>(_ title: String, _ body: () throws(Failure) -> (R, String)) -> R? {
        if Termination.isPending {
            StandardStreams.log(
                "cnictl: ended by a signal before \"\(title)\"; the private host is gone with all on it"
            )
            endProcess(1)
        }
        let start = Clock.monotonicNanoseconds()
        do {
            let (result, detail) = try body()
            add(title, .ok, Clock.monotonicNanoseconds() - start, detail, nil)
            return result
        } catch {
            add(title, .failed, Clock.monotonicNanoseconds() - start, error.line, error)
            return nil
        }
    }

    /// Notes a step that found something wrong without anything having refused.
    func failed(_ title: String, _ detail: String) { add(title, .failed, 0, detail, nil) }

    /// Notes a step that there was no need for.
    func skipped(_ title: String, _ reason: String) { add(title, .skipped, 0, reason, nil) }

    /// Waits until the kernel has made sure that nobody else has the new addresses, if it is at it.
    ///
    /// Until then they answer nothing, which is no fault of the network; but it is time that every container loses.
    func awaitAddresses(_ signals: CInt, _ states: () -> [HostState]) {
        if !states().contains(where: { $0.hasTentativeAddresses }) { return }
        _ = step("wait for duplicate detection") { () throws(Failure) in
            let start = Clock.monotonicNanoseconds()
            while states().contains(where: { $0.hasTentativeAddresses }) {
                if Clock.monotonicNanoseconds() - start > 10_000_000_000 {
                    throw Failure(CNIError(.tryAgain, "addresses are still tentative after 10 s"))
                }
                _ = Poll.isReadable(signals, timeoutMilliseconds: 20)
                if Termination.isPending { break }
            }
            return ((), "new IPv6 addresses were not usable until now")
        }
    }

    /// How long an answer to a probe may take, in milliseconds.
    ///
    /// What is lost once on a busy machine, be it the question for a neighbour or the first packet of a connection, the kernel
    /// sends again after one second; it is no fault of the network. Once something is wrong, nobody wants to wait that long.
    var patience: Int { hasFailures ? 1000 : 3000 }

    /// Shows lines between two steps.
    func show(_ lines: [String]) { if !isSilent, !lines.isEmpty { Tool.write(lines.joined(separator: "\n")) } }

    /// A headline.
    func headline(_ text: String) { show(["", hasColor ? "\u{1B}[1m\(text)\u{1B}[0m" : text]) }

    /// Says at the end how it went.
    func summarize() {
        let failed = steps.filter { $0.outcome == .failed }.map { $0.title }
        if failed.isEmpty { return headline("everything worked, nothing is left behind") }
        headline("\(failed.count) of \(steps.count) steps failed: \(failed.joined(separator: ", "))")
    }

    private func add(
        _ title: String,
        _ outcome: Step.Outcome,
        _ nanoseconds: Int64,
        _ detail: String,
        _ failure: Failure?
    ) {
        steps.append(Step(title: title, outcome: outcome, nanoseconds: nanoseconds, detail: detail, failure: failure))
        var mark = outcome.mark
        if hasColor { mark = "\u{1B}[\(outcome == .ok ? 32 : outcome == .failed ? 31 : 33)m\(mark)\u{1B}[0m" }
        let time = outcome == .skipped ? "" : TimeText.milliseconds(nanoseconds)
        let line = "\(mark) \(title.padded(to: 38))\(time.rightAligned(to: 10))"
        show([detail.isEmpty ? line : "\(line)  \(detail)"])
    }
}
