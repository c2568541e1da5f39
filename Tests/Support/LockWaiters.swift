// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Who waits for a lock on a file: the lines of /proc/locks with an arrow.
public enum LockWaiters {
    /// Whether a line has a mark: `" PROCESS "` of who waits, or `":INODE "` of the file.
    public static func contain(_ mark: String) -> Bool {
        let locks = (try? String(contentsOfFile: "/proc/locks", encoding: .utf8)) ?? ""
        return locks.split(separator: "\n").contains { $0.contains("->") && $0.contains(mark) }
    }
}
