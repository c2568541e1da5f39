// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// Containers of containerd on the network that its own scripts install, started by ctr.
@Suite("containerd: ctr run --cni", .needsContainerd, .usesNeighbourTable)
struct ContainerdTests {
    private let containerd: Containerd
    private let before: RuntimeHost.State

    init() throws {
        containerd = try Containerd()
        let sample = try String(contentsOfFile: Samples.path("10-containerd-net.conflist"), encoding: .utf8)
        try containerd.host.write(sample, to: "/run/net.d/10-containerd-net.conflist")
        before = try containerd.host.state()
    }

    private var host: RuntimeHost { containerd.host }

    @Test func aContainerInTheForegroundLeavesNothing() throws {
        // DEL comes when the namespace is gone, without its path.
        let seen = try containerd.run("brief", ["--rm", "--cni"], ["/bin/ip", "-o", "addr", "show", "dev", "eth0"])
        #expect(seen.contains("inet 10.88.0.2/16") && seen.contains("inet6 2001:4860:4860::2/64"), "\(seen)")
        try host.expectNothingLeft(since: before, but: ["cni0"])
    }

    @Test func aContainerInTheBackgroundIsCollected() throws {
        let script = "echo -n served >/www/name; exec httpd -f -p 80 -h /www"
        try containerd.run("served", ["-d", "--cni"], ["/bin/sh", "-c", script])
        try containerd.run("other", ["-d", "--cni"], ["/bin/sleep", "1000"])
        let (served, other) = (try containerd.place(of: "served"), try containerd.place(of: "other"))
        try Web.waitForServer(in: served)
        #expect(try Web.name(at: "10.88.0.2", from: other) == "served")
        #expect(try Web.name(at: "2001:4860:4860::2", from: other) == "served")
        #expect(try Web.name(at: "10.88.0.2", from: host.inside) == "served")
        for (world, own) in [
            (RuntimeHost.neighbour.v4, RuntimeHost.addresses.v4), (RuntimeHost.neighbour.v6, RuntimeHost.addresses.v6),
        ] {
            #expect(try Exchange().from(served, to: world, 8000, at: host.outside, 8000) == own)
        }
        for name in ["served", "other"] {
            // Kills the task and waits for its end, of which it complains.
            try host.shell("ctr task rm -f \(name) || true; ctr container rm \(name)")
        }
        let lease = host.own("/var/lib/cni/networks/containerd-net/10.88.0.2")
        #expect(FileManager.default.fileExists(atPath: lease), "ctr cleaned up itself; nothing is tested here")
        try host.run([Executables.path("cnictl"), "gc", "containerd-net"])
        try host.expectNothingLeft(since: before, but: ["cni0"])
    }
}
