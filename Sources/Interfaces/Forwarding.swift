// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Linux

extension Sysctl {
    /// Writes a setting if the kernel has it; without IPv6 it lacks that family's.
    ///
    /// That it cannot be written, in a container whose /proc is read-only, is no error if it has the value already.
    public static func set(_ key: String, _ value: String) throws(CNIError) {
        do { try write(key, value) } catch {
            if error == .noSuchFile || (try? read(key)) == value { return }
            throw CNIError(error, "set the kernel setting \(key) to \(value)")
        }
    }
}

/// Whether the host passes packets on between its interfaces.
public enum Forwarding {
    /// The kernel's setting for a family.
    public static func key(_ family: IPAddress.Family) -> String {
        family == .v4 ? "net/ipv4/ip_forward" : "net/ipv6/conf/all/forwarding"
    }

    /// Switches forwarding on for a family, if it is not on already.
    ///
    /// - Returns: The setting and what it was, if it was changed.
    public static func enable(_ family: IPAddress.Family) throws(CNIError) -> (key: String, before: String)? {
        let key = key(family)
        let before = try CNIError.attempt("enable forwarding by \(key)") { () throws(Errno) in
            try Sysctl.ensure(key, "1")
        }
        return before.map { (key, $0) }
    }
}
