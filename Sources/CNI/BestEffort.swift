// SPDX-License-Identifier: Apache-2.0

import Linux

/// Work of which each part is done whatever became of the others, as DEL and GC need it.
public struct BestEffort: ~Copyable {
    private var first: CNIError?

    /// Begins with nothing done.
    public init() {}

    /// Does a part; a failure is kept and the caller goes on.
    public mutating func attempt(_ part: () throws(CNIError) -> Void) {
        do { try part() } catch {
            if first == nil {
                first = error
            } else {
                StandardStreams.log("also failed: \(error.description)")
            }
        }
    }

    /// Reports the first failure.
    public consuming func finish() throws(CNIError) { if let first { throw first } }
}
