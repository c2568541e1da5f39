// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// Containers that stop, start again, die, come in numbers, or lose their namespace.
extension PodmanTests {
    @Test func aStoppedContainerStartsAgain() throws {
        try podman.run("server", ["-p", "8080:80"])
        try podman("stop", "-t", "0", "server")
        try host.expectNothingLeft(since: before, but: ["cni-podman0"])
        for command in [["start", "server"], ["restart", "-t", "0", "server"]] {
            try host.run(["podman"] + command)
            try podman.server(of: "server")
            #expect(try Web.name(at: RuntimeHost.addresses.v4, 8080, from: host.outside) == "server", "\(command)")
            #expect(try Web.name(at: "127.0.0.1", 8080, from: host.inside) == "server", "\(command)")
        }
        try podman("stop", "-t", "0", "server")
        #expect(try Web.name(at: RuntimeHost.addresses.v4, 8080, from: host.outside) == nil)
        try host.expectNothingLeft(since: before, but: ["cni-podman0"])
        try podman.remove("server")
        try host.expectNothingLeft(since: before)
    }

    @Test func aContainerThatDiesTakesItsNetworkAlong() throws {
        // Ends by itself, is killed by podman, and is killed by somebody else.
        let script = "sleep 0.3; exit 3"
        try podman("run", "-d", "--name", "brief", "-p", "8080:80", Podman.image, "/bin/sh", "-c", script)
        #expect(try podman("wait", "brief") == "3")
        try podman.run("killed", ["-p", "8081:80"])
        try podman("kill", "-s", "KILL", "killed")
        #expect(try podman("wait", "killed") == "137")
        try podman.run("shot", ["-p", "8082:80"])
        try host.run(["kill", "-9", try podman.inspect("shot", "{{.State.Pid}}")])
        #expect(try podman("wait", "shot") == "137")
        // None of them is removed: only their networks are.
        try host.expectNothingLeft(since: before, but: ["cni-podman0"])
        try podman("start", "killed")
        try podman.server(of: "killed")
        #expect(try Web.name(at: RuntimeHost.addresses.v4, 8081, from: host.outside) == "killed")
        try podman.remove("brief", "killed", "shot")
        try host.expectNothingLeft(since: before, but: ["cni-podman0"])
    }

    @Test func tenContainersComeAndGoAtOnce() throws {
        try host.shell(
            """
            for number in {0..9}; do
                podman run -d --name c$number -p 900$number:80 -p 900$number:53/udp \(Podman.image) \
                    /bin/sh -c "echo -n c$number >/www/name; exec httpd -f -p 80 -h /www" &
                processes+=($!)
            done
            for process in "${processes[@]}"; do wait $process; done
            """
        )
        var addresses: Set<String> = []
        for number in 0..<10 {
            try podman.server(of: "c\(number)")
            addresses.insert(try podman.network("c\(number)", "podman", "IPAddress"))
            let port = UInt16(9000 + number)
            #expect(try Web.name(at: RuntimeHost.addresses.v4, port, from: host.outside) == "c\(number)")
        }
        #expect(addresses.count == 10)
        try host.shell(
            """
            for number in {0..9}; do podman rm -f -t 0 c$number & processes+=($!); done
            for process in "${processes[@]}"; do wait $process; done
            """
        )
        try host.expectNothingLeft(since: before, but: ["cni-podman0"])
    }

    @Test func whatALostNamespaceLeavesIsCollected() throws {
        let sample = try String(contentsOfFile: Samples.path("87-podman.conflist"), encoding: .utf8)
        try host.write(sample, to: "/run/net.d/87-podman.conflist")
        try podman.run("lost", ["-p", "8080:80"])
        let address = try podman.network("lost", "podman", "IPAddress")
        let path = try podman.inspect("lost", "{{.NetworkSettings.SandboxKey}}")
        // As after a reboot: podman calls no plugin for a namespace that is not there.
        try host.shell("umount \(path); rm \(path)")
        try podman.remove("lost")
        let lease = host.own("/var/lib/cni/networks/podman/\(address)")
        #expect(FileManager.default.fileExists(atPath: lease), "podman cleaned up itself; nothing is tested here")
        try host.run([Executables.path("cnictl"), "gc", "podman"])
        try host.expectNothingLeft(since: before, but: ["cni-podman0"])
    }
}
