// SPDX-License-Identifier: Apache-2.0

import CLinux

/// A program that works beside this process and never outlives it.
///
/// The kernel kills it when this process ends, whatever ends that. It inherits the namespaces of the thread that starts it.
public final class Service {
    private let process: CInt
    private let end: FileDescriptor
    private var isWaitedFor = false

    /// Starts a program that writes what it has to say into a file.
    public static func start(
        _ path: String,
        arguments: [String],
        environment: Environment,
        log: String
    ) throws(Errno) -> Service {
        let log = try FileDescriptor.open(log, [.write, .create, .append])
        var process: CInt = 0
        let result = unsafe CStrings([path] + arguments).withPointers { argv in
            unsafe CStrings(environment.entries).withPointers { envp in
                unsafe linux_start_service(path, argv, envp, log.rawValue, &process)
            }
        }
        return Service(process: process, end: FileDescriptor(owning: try check(result)))
    }

    private init(process: CInt, end: consuming FileDescriptor) {
        self.process = process
        self.end = end
    }

    deinit { stop(limitMilliseconds: 0) }

    /// Whether it has ended by itself.
    public var hasEnded: Bool { isWaitedFor || Poll.isReadable(end.rawValue, timeoutMilliseconds: 0) }

    /// Asks the program to end, and ends it if it does not in time.
    public func stop(limitMilliseconds: Int) {
        if isWaitedFor { return }
        isWaitedFor = true
        _ = linux_kill(process, 15)
        if !Poll.isReadable(end.rawValue, timeoutMilliseconds: limitMilliseconds) { _ = linux_kill(process, 9) }
        var (code, signal): (CInt, CInt) = (0, 0)
        _ = unsafe linux_wait_for(process, &code, &signal)
    }
}
