// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// The unit by which systemd runs the daemon, where systemd itself does not run.
@Suite("overlayd.service", .ownNetworkNamespace)
struct UnitTests {
    private static let path = "\(Golden.directory)/../conf/overlayd.service"

    /// The words behind a key of the unit.
    private func words(_ key: String) throws -> [String] {
        let text = try String(contentsOfFile: Self.path, encoding: .utf8)
        let lines = text.split(separator: "\n").filter { $0.hasPrefix("\(key)=") }
        return lines.flatMap { $0.dropFirst(key.count + 1).split(separator: " ").map { String($0) } }
    }

    @Test(.enabled(if: Programs.path("systemd-analyze") != nil, "needs systemd-analyze of the package systemd"))
    func systemdUnderstandsIt() throws {
        let program = try #require(words("ExecStart").first)
        let space = try ContainerNamespace()
        let script = """
            mount -t tmpfs t /opt && mkdir -p $(dirname \(program)) && cp \(Executables.path("overlayd")) \(program) &&
            systemd-analyze verify --man=no \(Self.path) 2>&1
            """
        #expect(try Registry.run("unshare", ["-m", "sh", "-c", script], in: space) == "")
    }

    @Test(.enabled(if: Programs.path("etcd") != nil, "needs etcd-server and etcd-client"))
    func itsDirectoriesAndCapabilitiesAreEnough() throws {
        let lab = try Lab(hosts: 1)
        try lab.registry.configure(Lab.vxlan)
        let capabilities = try words("CapabilityBoundingSet").map { "+\($0.dropFirst(4).lowercased())" }
        let directories =
            try words("RuntimeDirectory").map { "/run/\($0)" } + words("StateDirectory").map { "/var/lib/\($0)" }
        #expect(directories.count == 3 && !capabilities.isEmpty)
        let conf = "\(Golden.directory)/../conf/21-vxlan-etcd.conflist"
        // The whole system is read-only but for the unit's directories.
        let script = """
            mount -t tmpfs t /run && mount -t tmpfs t /var/lib && mkdir -p \(directories.joined(separator: " ")) || exit 8
            for d in \(directories.joined(separator: " ")); do mount -t tmpfs t $d || exit 8; done
            mount -o remount,ro /run && mount -o remount,ro /var/lib || exit 8
            setpriv --no-new-privs --inh-caps -all --bounding-set -all,\(capabilities.joined(separator: ",")) \
                \(Executables.path("overlayd")) --config \(conf) --endpoints \(lab.registry.endpoints[0]) 2>&1 &
            for i in $(seq 100); do [ -e /run/flannel/subnet.env ] && break; sleep 0.1; done
            kill -TERM $! && wait $!
            echo code $?
            find \(directories.joined(separator: " ")) -type f | sort
            """
        let text = try Registry.run("unshare", ["-m", "sh", "-c", script], in: lab.hosts[0].space)
        #expect(
            text.hasSuffix(
                """
                code 0
                /run/flannel/subnet.env
                /run/swift-cni/overlay/overlay-etcd.json
                /var/lib/swift-cni/overlay/overlay-etcd.json
                /var/lib/swift-cni/overlay/overlay-etcd.lock

                """
            ),
            "\(text)"
        )
        // What it made stays, so that it can be replaced while containers run.
        #expect(try lab.hosts[0].run("ip -o link show type vxlan").contains("vxlan.1"))
        #expect(try lab.registry.key(of: "192.168.9.1") != nil)
    }
}
