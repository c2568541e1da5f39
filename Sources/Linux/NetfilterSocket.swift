// SPDX-License-Identifier: Apache-2.0

import CLinux

/// A socket of netfilter, which the kernel makes slow to close.
public enum NetfilterSocket {
    /// Closes a socket by a body, without waiting for what others deleted, or the caller.
    public static func close(_ descriptor: CInt, _ body: () -> Void) {
        let copy = linux_duplicate(descriptor)
        body()
        if copy >= 0 { linux_close_later(copy) }
    }
}
