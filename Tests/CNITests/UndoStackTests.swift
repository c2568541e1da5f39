// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Testing

@testable import CNI

/// What is owed, and done in reverse.
@Suite struct UndoStackTests {
    /// What the steps did, in order.
    private final class Log: Sendable {
        private let entries = Mutex<[String]>([])
        var all: [String] { entries.withLock { $0 } }
        func note(_ entry: String) { entries.withLock { $0.append(entry) } }
    }

    private static func run(steps: Int, failAfter: Int?, _ log: Log) -> CNIError? {
        var undo = UndoStack(failAfter: failAfter)
        var failure: CNIError?
        do throws(CNIError) {
            for step in 1...steps {
                log.note("do \(step)")
                try undo.push("step \(step)") { () throws(CNIError) in log.note("undo \(step)") }
            }
        } catch {
            failure = error
        }
        if failure != nil { undo.unwind() }
        return failure
    }

    @Test func nothingIsUndoneWithoutAFailure() {
        let log = Log()
        #expect(Self.run(steps: 5, failAfter: nil, log) == nil)
        #expect(log.all == (1...5).map { "do \($0)" })
    }

    @Test(arguments: 1...5)
    func aFailureAfterAStepUndoesItAndAllBeforeItLastFirst(k: Int) throws {
        let log = Log()
        let error = try #require(Self.run(steps: 5, failAfter: k, log))
        #expect(error.code == 11)
        #expect(error.message == "failed on request after step \(k)")
        #expect(error.details == "step \(k)")
        #expect(log.all == (1...k).map { "do \($0)" } + (1...k).reversed().map { "undo \($0)" })
    }

    @Test func aFailureBehindTheLastStepNeverComes() {
        let log = Log()
        #expect(Self.run(steps: 3, failAfter: 4, log) == nil)
        #expect(Self.run(steps: 3, failAfter: 0, log) == nil)
    }

    @Test func aStepThatCannotBeUndoneDoesNotKeepTheOthers() throws {
        let log = Log()
        var undo = UndoStack()
        try undo.push("first") { () throws(CNIError) in log.note("first") }
        try undo.push("broken") { () throws(CNIError) in throw CNIError(.kernel, "this line is part of a test") }
        try undo.push("last") { () throws(CNIError) in log.note("last") }
        undo.unwind()
        #expect(log.all == ["last", "first"])
    }

    @Test func unwindingTwiceUndoesOnce() throws {
        let log = Log()
        var undo = UndoStack()
        try undo.push("step") { () throws(CNIError) in log.note("undone") }
        undo.unwind()
        undo.unwind()
        #expect(log.all == ["undone"])
    }

    @Test func afterUnwindingNewStepsAreOwedAgain() throws {
        let log = Log()
        var undo = UndoStack()
        try undo.push("one") { () throws(CNIError) in log.note("one") }
        undo.unwind()
        try undo.push("two") { () throws(CNIError) in log.note("two") }
        undo.unwind()
        #expect(log.all == ["one", "two"])
    }

    @Test func everyPartOfABestEffortIsDoneAndTheFirstFailureReported() throws {
        var effort = BestEffort()
        var done: [Int] = []
        effort.attempt { () throws(CNIError) in done.append(1) }
        effort.attempt { () throws(CNIError) in throw CNIError(.kernel, "first") }
        effort.attempt { () throws(CNIError) in throw CNIError(.delegate, "this line is part of a test") }
        effort.attempt { () throws(CNIError) in done.append(2) }
        #expect(done == [1, 2])
        do {
            try effort.finish()
            Issue.record("no failure was reported")
        } catch {
            #expect(error.message == "first")
        }
        try BestEffort().finish()
    }
}
