// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc

/// What a program that was killed has started and left to itself.
public enum Orphans {
    /// Whether no other process is in the namespace of the calling thread.
    public static func areGone() throws -> Bool {
        let own = getpid()
        let place = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self/ns/net")
        return try FileManager.default.contentsOfDirectory(atPath: "/proc").allSatisfy { name in
            guard let process = pid_t(name), process != own else { return true }
            // A process that has ended meanwhile is nowhere.
            return (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(name)/ns/net")) != place
        }
    }
}
