// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import Synchronization

/// A thread that runs one body, for what must not happen to the caller's thread or must happen beside it.
public final class BackgroundThread<Outcome: Sendable>: Sendable {
    private let outcome = Mutex<Outcome?>(nil)
    private let done = DispatchSemaphore(value: 0)

    /// Starts the thread; it begins in the namespaces of the thread that starts it.
    public init(_ body: @escaping @Sendable () -> Outcome) {
        Thread { [self] in
            let value = body()
            outcome.withLock { $0 = value }
            done.signal()
        }.start()
    }

    /// Waits for the end of the body and returns what it returned; may be called once.
    public func join() -> Outcome {
        done.wait()
        guard let value = outcome.withLock({ $0 }) else { preconditionFailure("the thread left nothing") }
        return value
    }
}
