// SPDX-License-Identifier: Apache-2.0

import CLinux

/// What the process that runs the tests may do.
public enum Privileges {
    /// Whether a thread may make a network namespace.
    public static let canMakeNamespaces: Bool = BackgroundThread { linux_unshare(true, false) == 0 }.join()

    /// Whether a thread may make a mount namespace, and so mount at all.
    public static let canMount: Bool = BackgroundThread { linux_unshare(false, true) == 0 }.join()
}
