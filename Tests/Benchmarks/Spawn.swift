// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A child with everything prepared, so that only the spawn itself is in the measured time.
final class Spawn {
    /// The program and where it reads and writes.
    private let call: Call

    /// The arguments in C's form.
    private let arguments: CStrings

    /// The environment in C's form.
    private let environment: CStrings

    /// What the child opens as its standard streams.
    private var actions = posix_spawn_file_actions_t()

    /// The child, once started.
    private var child: pid_t = 0

    /// Prepares the child of one call.
    init(_ call: Call) throws {
        self.call = call
        arguments = CStrings([call.program] + call.arguments)
        environment = CStrings(call.environmentStrings)
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_addopen(&actions, 0, call.input, O_RDONLY, 0)
        let create = O_WRONLY | O_CREAT | O_TRUNC
        // Without a file the streams are inherited: that is for tools whose only output is a complaint.
        if let output = call.output { posix_spawn_file_actions_addopen(&actions, 1, output, create, 0o644) }
        if let errors = call.errors { posix_spawn_file_actions_addopen(&actions, 2, errors, create, 0o644) }
    }

    deinit { posix_spawn_file_actions_destroy(&actions) }

    /// Starts the child.
    func start() throws {
        let error = posix_spawn(&child, call.program, &actions, nil, arguments.pointers, environment.pointers)
        guard error == 0 else { throw Failure("\(call.program): \(String(cString: strerror(error)))") }
    }

    /// Waits for the child's end and returns the kernel's status.
    func wait() throws -> Int32 { try waitForUsage().status }

    /// Waits for the child's end and returns the kernel's status and the milliseconds that it was on a processor.
    func waitForUsage() throws -> (status: Int32, processor: Double) {
        var status: Int32 = 0
        var usage = rusage()
        while wait4(child, &status, 0, &usage) < 0 {
            guard errno == EINTR else { throw Failure("wait4: \(String(cString: strerror(errno)))") }
        }
        let times = [usage.ru_utime, usage.ru_stime].map { Double($0.tv_sec) * 1e3 + Double($0.tv_usec) / 1e3 }
        return (status, times[0] + times[1])
    }
}

/// A list of strings in C's form: pointers that end with a null one.
final class CStrings {
    /// The list, as `execve` takes it.
    let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

    /// How many strings there are.
    private let count: Int

    /// Copies the strings.
    init(_ strings: [String]) {
        count = strings.count
        pointers = .allocate(capacity: count + 1)
        for (index, string) in strings.enumerated() { (pointers + index).initialize(to: strdup(string)) }
        (pointers + count).initialize(to: nil)
    }

    deinit {
        for index in 0..<count { free(pointers[index]) }
        pointers.deallocate()
    }
}
