// SPDX-License-Identifier: Apache-2.0

import CLinux

/// Waiting for a descriptor: poll(2).
public enum Poll {
    /// Whether the descriptor became readable within the time.
    public static func isReadable(_ descriptor: CInt, timeoutMilliseconds: Int) -> Bool {
        var wait = linux_wait(descriptor: descriptor, ready: false)
        return unsafe linux_poll(&wait, 1, CInt(timeoutMilliseconds)) > 0
    }
}
