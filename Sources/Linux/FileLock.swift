// SPDX-License-Identifier: Apache-2.0

import CLinux

/// A lock on an open file, held while the value lives: flock(2).
///
/// The kernel gives it back when the process ends, however it ends, so a crash cannot leave it taken.
public struct FileLock: ~Copyable {
    private let descriptor: FileDescriptor

    /// Waits for the lock on a file.
    ///
    /// - Throws: EAGAIN when the limit has passed, EINTR when the process was told to end.
    public static func acquire(
        _ descriptor: consuming FileDescriptor,
        shared: Bool = false,
        limitMilliseconds: Int64
    ) throws(Errno) -> FileLock {
        let number = descriptor.rawValue
        if linux_lock(number, shared, false) == 0 { return FileLock(descriptor: descriptor) }
        let start = Clock.monotonicNanoseconds()
        // A blocking call queues fairly, which polling would not; the timer is what lets it look at the clock.
        linux_interrupt_every(50)
        defer { linux_interrupt_every(0) }
        while true {
            let result = linux_lock(number, shared, true)
            let waited = (Clock.monotonicNanoseconds() - start) / 1_000_000
            if result == 0 {
                Trace.step("waited \(waited) ms for a lock")
                return FileLock(descriptor: descriptor)
            }
            guard Errno(-result) == .interrupted else { throw Errno(-result) }
            if Termination.isPending { throw .interrupted }
            if waited >= limitMilliseconds { throw .wouldBlock }
        }
    }

    /// Has the programs that are started from now on hold the lock too: it is free when the last of them has ended.
    public func passOn() { linux_pass_on(descriptor.rawValue) }

    private init(descriptor: consuming FileDescriptor) { self.descriptor = descriptor }
}
