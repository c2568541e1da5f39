// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What becomes of signals while the tests run.
public enum Signals {
    private static let previousHandler = signal(SIGPIPE, SIG_IGN).map { _ in true }

    /// Lets a write to a closed pipe fail instead of ending the process with all its tests; once is enough.
    public static func ignoreBrokenPipes() { _ = previousHandler }
}
