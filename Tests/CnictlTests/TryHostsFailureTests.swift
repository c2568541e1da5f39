// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Support
import Testing

/// Networks whose hosts do not reach each other, and rehearsals that are broken off.
@Suite(
    .enabled(if: PrivateHost.isRoot, "needs root, for namespaces"),
    .enabled(if: PrivateHost.has("vxlan", "host-local", "overlayd"), "needs our own plugins, which are not built"),
    .usesNeighbourTable,
    .serialized
)
struct TryHostsFailureTests {
    private let folder: TemporaryFolder

    /// Makes a folder for this test.
    init() throws { folder = try TemporaryFolder() }

    private static let hasEtcd = Programs.path("etcd") != nil && Programs.path("etcdctl") != nil

    /// Directories with our plugins, before which a vxlan runs lines of its own after the real one's ADD.
    private func plugins(afterAdd lines: String) throws -> String {
        try folder.write(
            """
            #!/bin/bash
            \(PrivateHost.directory)/vxlan || exit
            [ $CNI_COMMAND = ADD ] || exit 0
            { \(lines)
            } >&2
            """,
            to: "bin/vxlan",
            executable: true
        )
        return "\(folder.path)/bin:\(PrivateHost.directory)"
    }

    /// The listed hosts with one version of IP, because what nobody answers is waited for.
    private func oldNetwork() throws -> String {
        let text = try String(contentsOfFile: HostsTrial.installed("20-vxlan-static"), encoding: .utf8)
        try folder.write(text.replacing(/,fd00[:0-9]*\/[0-9]+/, with: ""), to: "lab.conflist")
        return "\(folder.path)/lab.conflist"
    }

    /// Runs only on the second host.
    private static func onSecond(_ line: String) -> String {
        "[ $CNI_CONTAINERID != cnictl-container2 ] || { \(line); }"
    }

    @Test(arguments: [
        ("ip route del 10.5.3.0/24", "host2 sends packets to 10.5.3.2 to eth0"),
        ("ip neigh del 10.5.3.0 dev vxlan.1", "vxlan.1 of host2 has no neighbour 10.5.3.0"),
        (
            "bridge fdb show dev vxlan.1 | while read mac _ at _; do bridge fdb del $mac dev vxlan.1; done",
            "behind which host"
        ),
        (
            "bridge fdb replace $(ip neigh show 10.5.3.0 dev vxlan.1 | cut -d' ' -f3) dev vxlan.1 dst 192.168.9.1",
            "behind 192.168.9.1, which is not host3"
        ),
        (
            "ip neigh replace 10.5.3.0 lladdr 02:00:00:00:00:05 dev vxlan.1 nud permanent; bridge fdb add 02:00:00:00:00:05 dev vxlan.1 dst 192.168.9.3",
            "look at vtepMAC"
        ),
    ])
    func whatIsMissingOnAHostIsFound(_ line: String, _ reason: String) throws {
        let trial = try HostsTrial(oldNetwork(), plugins: plugins(afterAdd: Self.onSecond(line)))
        #expect(trial.outcome.code == 1)
        let steps = trial.failures.map { $0.step }
        // Its answers to the third host go the same way.
        for pair in ["container2 → container3", "container3 → container2", "host2 → container3"] {
            #expect(steps.contains(pair), "\(pair): \(trial.text)")
        }
        #expect(trial.answered.contains("container1 to 10.5.3.2") && !trial.answered.contains("container2 to 10.5.3.2"))
        let detail = trial.failures.first { $0.step == "container2 → container3" }?.detail ?? ""
        #expect(detail.contains("no way from container2 → container3") && detail.contains(reason), "\(detail)")
        let back = trial.failures.first { $0.step == "container3 → container2" }?.detail ?? ""
        #expect(back.contains("on the way back, "), "\(back)")
    }

    @Test func aPacketFilterInTheWayIsSuspected() throws {
        let line = Self.onSecond(
            "nft 'add table ip t; add chain ip t c { type filter hook forward priority 0; policy drop; }'"
        )
        let trial = try HostsTrial(HostsTrial.installed("20-vxlan-static"), plugins: plugins(afterAdd: line))
        #expect(trial.outcome.code == 1)
        let failure = trial.failures.first { $0.step == "container1 → container2" }
        #expect(failure?.detail.contains("look at the packet filters of host1 and host2") == true, "\(trial.text)")
        // What is for the host itself is not passed on, and the filter is for one version of IP.
        #expect(trial.answered.contains("container1 to 10.5.2.1"))
        #expect(trial.answered.contains("container1 to fd00:10:5:2::2"))
        #expect(!trial.answered.contains("container1 to 10.5.2.2"))
    }

    @Test func aTunnelThatTakesNoLargePacketsIsFound() throws {
        let line = Self.onSecond("ip link set vxlan.1 mtu 1400")
        let trial = try HostsTrial(HostsTrial.installed("20-vxlan-static"), plugins: plugins(afterAdd: line))
        #expect(trial.outcome.code == 1)
        // CHECK sees it too.
        #expect(trial.failures.map { $0.step }.contains("packets of 1450 bytes"), "\(trial.text)")
        #expect(trial.failures.map { $0.detail }.contains { $0.contains("do not get from container") })
    }

    @Test func packetsThatAreTakenApartOnTheWayAreFound() throws {
        let line = Self.onSecond("ip route change 192.168.9.0/24 dev eth0 mtu lock 1400")
        let trial = try HostsTrial(oldNetwork(), plugins: plugins(afterAdd: line))
        #expect(trial.outcome.code == 1)
        let failure = trial.failures.first { $0.step == "packets of 1450 bytes" }
        #expect(failure?.detail.contains("are taken apart on the way") == true, "\(trial.text)")
    }

    @Test func onOneHostTheWayToSeveralIsNamed() throws {
        let outcome = try PrivateHost.run(
            "\(PrivateHost.directory)/cnictl",
            ["try", HostsTrial.installed("20-vxlan-static")],
            ["CNI_PATH": PrivateHost.directory]
        )
        #expect(outcome.code == 1)
        #expect(outcome.output.contains("--hosts 3"), "\(outcome.output)")
    }

    @Test func aHostThatRefusesIsNamed() throws {
        let text = try String(contentsOfFile: HostsTrial.installed("20-vxlan-static"), encoding: .utf8)
        try folder.write(text.replacingOccurrences(of: "10.5.3.0/24", with: "10.66.3.0/24"), to: "lab.conflist")
        let trial = try HostsTrial("\(folder.path)/lab.conflist")
        #expect(trial.outcome.code == 1)
        #expect(trial.failures.contains { $0.step == "ADD container1 on host1" && $0.detail.contains("10.66.3.0/24") })
        #expect(trial.steps["DEL container3"] == "ok")
    }

    @Test func whatStaysOnAHostIsNamed() throws {
        let trial = try HostsTrial(
            HostsTrial.installed("20-vxlan-static"),
            plugins: plugins(afterAdd: Self.onSecond("ip link add bad0 type dummy || ip link add bad0 type veth"))
        )
        #expect(trial.outcome.code == 1)
        #expect(trial.list("leftovers").contains { $0.hasPrefix("host2: ") && $0.hasSuffix(" bad0") }, "\(trial.text)")
        #expect(!trial.list("leftovers").contains { $0.hasPrefix("host1") })
    }

    /// What a rehearsal could leave on the machine.
    private func machine() throws -> String {
        // Other tests mount their namespaces below /tmp at the same time.
        let mounts = "findmnt -rno TARGET | grep -v ^/tmp/"
        let files = "ls -d /var/lib/cni /var/lib/swift-cni /run/netns /run/cnictl /run/swift-cni /run/flannel"
        return try PrivateHost.run(
            "/bin/sh",
            ["-c", "ip -br link; ip -br addr; ip route; \(mounts); \(files)"]
        ).output
    }

    @Test(.enabled(if: hasEtcd, "needs etcd-server and etcd-client"))
    func theMachineIsNotTouched() throws {
        let (before, marked) = (try machine(), MarkedProcesses())
        let trial = try HostsTrial(HostsTrial.installed("21-vxlan-etcd"), environment: marked.environment)
        #expect(trial.outcome.code == 0, "\(trial.text)")
        #expect(marked.names() == [])
        #expect(try machine() == before)
    }

    @Test(
        .enabled(
            if: hasEtcd && Programs.exists("/usr/lib/frr/bgpd"),
            "needs Debian's etcd-server, etcd-client and frr"
        ),
        arguments: [SIGTERM, SIGINT, SIGKILL],
        [["etcd", "overlayd"], ["bgpd", "zebra"]]
    )
    func aSignalEndsItWithAllServers(_ signal: CInt, _ servers: [String]) throws {
        let (before, marked) = (try machine(), MarkedProcesses())
        var file = HostsTrial.installed("21-vxlan-etcd")
        if servers[0] == "bgpd" {
            let keys = #""vxlan","mode":"bridged","controlPlane":"external","#
            let text = try String(contentsOfFile: HostsTrial.installed("20-vxlan-static"), encoding: .utf8)
            try folder.write(text.replacingOccurrences(of: #""vxlan","#, with: keys), to: "lab.conflist")
            file = "\(folder.path)/lab.conflist"
        }
        try folder.write(
            "#!/bin/bash\ntouch \(folder.path)/called\nexec sleep 10\n",
            to: "bin/vxlan",
            executable: true
        )
        var process = PluginProcess(
            "\(PrivateHost.directory)/cnictl",
            arguments: ["try", file, "--hosts", "3"]
        )
        process.environment = marked.environment.merging([
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "CNI_PATH": "\(folder.path)/bin:\(PrivateHost.directory)",
        ]) { $1 }
        let running = try process.start()
        let called = "\(folder.path)/called"
        let areThere = eventually(60) {
            FileManager.default.fileExists(atPath: called) && Set(marked.names()) == Set(["cnictl", "sleep"] + servers)
        }
        #expect(areThere, "\(marked.names())")
        running.send(signal)
        let outcome = try running.finish()
        if signal != SIGKILL {
            #expect(outcome.exitCode == 1)
            #expect(outcome.stderrText.contains("ended by a signal"), "\(outcome.stderrText)")
        }
        // The kernel ends them, which takes it a moment; the plugin ends by itself.
        #expect(eventually(60) { marked.names().isEmpty }, "\(marked.names())")
        #expect(try machine() == before)
    }
}
