// SPDX-License-Identifier: Apache-2.0

import CLinux

/// The view of the file system that this process has: mount_namespaces(7).
public enum Mounts {
    /// Gives the process network and mount namespaces of its own, from which no mount gets out: unshare(2).
    public static func leaveHost() throws(Errno) {
        try check(linux_unshare(true, true))
        try unsafe check(linux_mount("none", "/", nil, false, true, nil))
    }

    /// Mounts a file system of a type, such as tmpfs, on a directory: mount(2).
    public static func mount(_ type: String, on target: String, options: String = "") throws(Errno) {
        try unsafe check(linux_mount(type, target, type, false, false, options))
    }

    /// Makes a file or directory appear at a second place.
    public static func bind(_ source: String, to target: String) throws(Errno) {
        try unsafe check(linux_mount(source, target, nil, true, false, nil))
    }
}

extension NetworkNamespace {
    /// Makes a namespace that lives as long as its mount on a new file; the calling thread stays where it is.
    public static func create(mountedOn path: String) throws(Errno) {
        let home = try NetworkNamespace.current()
        _ = try FileDescriptor.open(path, [.write, .create, .exclusive], permissions: 0o444)
        try check(linux_unshare(true, false))
        let result = unsafe linux_mount("/proc/thread-self/ns/net", path, nil, true, false, nil)
        guard linux_enter_network_namespace(home.rawValue) >= 0 else {
            StandardStreams.log("cannot return to the host's network namespace")
            endProcess(1)
        }
        try check(result)
    }
}
