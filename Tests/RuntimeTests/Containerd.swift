// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Support

/// A containerd on a host of its own, with podman's image, driven by ctr.
final class Containerd: Sendable {
    private let podman: Podman
    private let daemon: RunningProcess
    /// The host on which the containers are.
    var host: RuntimeHost { podman.host }

    /// Starts the daemon and gives it the image.
    init() throws {
        podman = try Podman()
        let host = podman.host
        try host.write(Self.configuration, to: "/run/conf/containerd.toml")
        // ctr knows two directories of plugins, and one of configurations.
        try host.shell(
            """
            for place in /opt/cni/bin /usr/lib/cni; do
                ! test -d $place || mount --bind '\(Executables.directory)' $place
            done
            mount --bind /run/net.d /etc/cni/net.d
            podman save --format oci-archive -o /run/image.oci \(Podman.image) 2>&1
            """
        )
        let script = "echo $$ >/run/conf/containerd.pid; exec containerd -c /run/conf/containerd.toml"
        daemon = try host.program(["/bin/bash", "-c", script]).start()
        try host.shell(
            """
            for attempt in {1..1200}; do
                ! ctr version >/dev/null 2>&1 || break
                sleep 0.05
            done
            ctr images import --snapshotter native /run/image.oci
            """
        )
    }

    deinit {
        // Tasks first, so that their cgroups go as well, which are the machine's.
        let script = "ctr task rm -f $(ctr task ls -q); kill $(cat /run/conf/containerd.pid)"
        _ = try? host.program(["/bin/bash", "-c", script]).run()
        _ = try? daemon.finish()
    }

    private static let configuration = """
        version = 2
        root = "/run/containerd-root"
        state = "/run/containerd-state"
        disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs",
            "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
            "io.containerd.snapshotter.v1.aufs"]
        [grpc]
          address = "/run/conf/containerd.sock"
        [plugins."io.containerd.internal.v1.opt"]
          path = "/run/containerd-opt"

        """

    /// Runs a container with some options of ctr, which must succeed, and returns what it printed.
    @discardableResult
    func run(_ name: String, _ options: [String], _ command: [String]) throws -> String {
        let words = ["ctr", "run", "--snapshotter", "native", "--cgroup", ""] + options
        return try host.run(words + [Podman.image, name] + command)
    }

    /// The namespace of a running container.
    func place(of name: String) throws -> Place {
        let lines = try host.run(["ctr", "task", "ls"]).split(separator: "\n").map { $0.split(separator: " ") }
        guard let process = lines.first(where: { $0.first == name[...] }).map({ $0[1] }) else {
            throw ProgramFailure(description: "ctr knows no task \(name)")
        }
        return Place(path: host.own("/proc/\(process)/ns/net"))
    }
}
