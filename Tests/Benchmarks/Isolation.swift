// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The private network and mount namespaces in which everything is measured.
///
/// Links, named namespaces, leases and scratch files live and end with the process, so nothing is left on the host.
enum Isolation {
    /// The directory for configurations, outputs and leases; it is in memory.
    static let scratch = "/run/bench"

    /// The variable that carries the namespaces of the process that asked for new ones.
    private static let marker = "BENCHMARKS_LEFT_NAMESPACES"

    /// Starts this program again in new namespaces, unless it is in them already.
    static func enter() throws {
        let here = try namespaces()
        if let left = ProcessInfo.processInfo.environment[marker] {
            let same = zip(left.split(separator: " "), here.split(separator: " ")).contains { $0 == $1 }
            guard !same else { throw Failure("unshare did not give new namespaces") }
            unsetenv(marker)
            return
        }
        guard geteuid() == 0 else { throw Failure("needs root, for network and mount namespaces") }
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let command = ["unshare", "-mn", "--propagation", "private", program] + CommandLine.arguments.dropFirst()
        setenv(marker, here, 1)
        let arguments = CStrings(command)
        execvp("unshare", arguments.pointers)
        throw Failure("unshare: \(String(cString: strerror(errno))): install util-linux")
    }

    /// Covers the directories that plugins write to, and makes the scratch directory.
    static func prepare() throws {
        let mount = ["mount", "-t", "tmpfs", "-o", "mode=755,size=90%,nr_inodes=0", "tmpfs"]
        try Call.tool(mount + ["/run"], output: nil)
        if FileManager.default.fileExists(atPath: "/var/lib/cni") {
            try Call.tool(mount + ["/var/lib/cni"], output: nil)
        }
        try Call.tool(["mount", "-t", "sysfs", "sysfs", "/sys"], output: nil)
        for directory in ["/run/netns", "\(scratch)/calls", "\(scratch)/leases"] {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        }
        try Call.tool(["ip", "link", "set", "lo", "up"], output: nil)
    }

    /// The names of this process's mount and network namespaces.
    private static func namespaces() throws -> String {
        try ["mnt", "net"]
            .map { try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/\($0)") }
            .joined(separator: " ")
    }
}
