// SPDX-License-Identifier: Apache-2.0

import CLinux

/// What becomes of signals: SIGPIPE is ignored, and the requests to end are held back until a step asks for them.
///
/// A step of the kernel is then never cut in two, and the work can be undone before the process ends.
public enum Termination {
    /// Holds the signals back and sees to it that the descriptors 0, 1 and 2 are taken.
    ///
    /// - Returns: A descriptor that becomes readable when a signal has come.
    public static func hold() throws(Errno) -> FileDescriptor {
        try check(linux_occupy_standard_descriptors())
        linux_report_crashes()
        return FileDescriptor(owning: try check(linux_hold_signals()))
    }

    /// Whether SIGTERM, SIGINT or SIGHUP has come since.
    public static var isPending: Bool { linux_termination_pending() }

    /// Takes note of the signals that have come, so that what is done from now on is not broken off by them.
    public static func acknowledge() { linux_forget_termination() }
}
