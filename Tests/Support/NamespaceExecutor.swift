// SPDX-License-Identifier: Apache-2.0

import CLinux
import Dispatch
import Foundation
import Synchronization

/// One thread in a fresh network namespace, as a task executor.
final class NamespaceExecutor: TaskExecutor {
    private let jobs = Mutex<[UnownedJob]>([])
    private let wake = DispatchSemaphore(value: 0)

    init() {
        let thread = Thread { [self] in
            precondition(linux_unshare(true, false) == 0, "cannot make a network namespace")
            LoopbackInterface.switchOn()
            while true {
                wake.wait()
                guard let job = jobs.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) else { return }
                job.runSynchronously(on: asUnownedTaskExecutor())
            }
        }
        thread.stackSize = 8 << 20
        thread.start()
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        jobs.withLock { $0.append(job) }
        wake.signal()
    }

    /// A wake-up with no job is the end.
    func stop() { wake.signal() }
}
