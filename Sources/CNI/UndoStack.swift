// SPDX-License-Identifier: Apache-2.0

import Linux

/// What to undo, last first, should a later step of ADD fail.
///
/// A step is pushed right after its act. The skeleton unwinds on any failure and forgets on success, so a plugin cannot
/// get it wrong by returning early. What a kill leaves is not for this stack: DEL derives all of it from the request.
public struct UndoStack: ~Copyable {
    private var steps: [(name: String, undo: () throws(CNIError) -> Void)] = []
    /// How many acts were owed.
    public private(set) var count = 0
    private let failAfter: Int?
    private var turn: FileLock?

    /// Makes an empty stack.
    ///
    /// - Parameter failAfter: For tests: the number of the step after which to fail.
    public init(failAfter: Int? = nil) { self.failAfter = failAfter }

    /// Owes an act, to be done if a later step fails.
    ///
    /// A request to end the process is answered here, between two steps.
    public mutating func push(_ name: String, _ undo: @escaping () throws(CNIError) -> Void) throws(CNIError) {
        steps.append((name, undo))
        count += 1
        if count == failAfter { throw CNIError(.tryAgain, "failed on request after step \(count)", name) }
        if Termination.isPending { throw CNIError.terminated }
    }

    /// Keeps a lock until all is done, or undone.
    public mutating func keep(_ lock: consuming FileLock) { turn = .some(consume lock) }

    /// Does what is owed; a step that fails is logged, and the rest goes on.
    public mutating func unwind() {
        Termination.acknowledge()
        while let step = steps.popLast() {
            Trace.step("undo: \(step.name)")
            do { try step.undo() } catch { StandardStreams.log("undo: \(step.name): \(error.description)") }
        }
    }
}

extension CNIError {
    /// The failure of a call that was told to end.
    static var terminated: CNIError {
        CNIError(.tryAgain, "ended by a signal", "everything done so far was undone; the call can be repeated")
    }
}
