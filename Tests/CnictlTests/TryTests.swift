// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// The rehearsal of networks with real plugins.
@Suite(.enabled(if: PrivateHost.isRoot, "needs root, for namespaces"), .usesNeighbourTable, .serialized)
struct TryTests {
    private let folder: TemporaryFolder

    /// Makes a folder for this test.
    init() throws { folder = try TemporaryFolder() }

    private static let hasReference = FileManager.default.isExecutableFile(
        atPath: "\(PrivateHost.referencePlugins)/bridge"
    )

    private func list(
        _ version: String,
        _ more: String = "",
        top: String = "",
        ranges: String = #"[{"subnet":"10.99.0.0/16"}]"#
    ) -> String {
        """
        {"cniVersion":"\(version)","name":"lab",\(top)"plugins":[{"type":"bridge","bridge":"lab0","isDefaultGateway":true,
         "ipam":{"type":"host-local","ranges":[\(ranges)]}}\(more)]}
        """
    }

    private func attempt(
        _ text: String,
        _ arguments: [String] = ["--json"],
        plugins: String
    ) throws -> PrivateHost.Outcome {
        try folder.write(text, to: "lab.conflist")
        return try PrivateHost.run(
            "\(PrivateHost.directory)/cnictl",
            ["try", "\(folder.path)/lab.conflist"] + arguments,
            ["CNI_PATH": plugins]
        )
    }

    private func outcomes(_ outcome: PrivateHost.Outcome) -> [String: String] {
        let steps = outcome.json["steps"] as? [[String: Any]] ?? []
        return Dictionary(
            steps.map { ($0["step"] as? String ?? "", $0["outcome"] as? String ?? "") },
            uniquingKeysWith: { $1 }
        )
    }

    @Test(.enabled(if: hasReference, "needs the reference plugins in /usr/lib/cni"))
    func theReferencePluginsPass() throws {
        // The reference's portmap 1.1 looks for IPv6 rules in CHECK even where there are none.
        let outcome = try attempt(
            list(
                "1.0.0",
                #",{"type":"portmap","capabilities":{"portMappings":true}}"#,
                top: #""disableCheck":true,"#
            ),
            ["--json", "--publish", "8080:80", "--publish", "5300:53/udp"],
            plugins: PrivateHost.referencePlugins
        )
        let json = outcome.json
        #expect(outcome.code == 0, "\(outcome.output)\(outcome.error)")
        #expect(json["ok"] as? Bool == true)
        #expect(json["shared"] as? [String] == ["bridge lab0"])
        #expect((json["leftovers"] as? [Any])?.isEmpty == true)
        #expect((json["leases"] as? [[String: String]])?.map { $0["address"] } == ["10.99.0.2", "10.99.0.3"])
        let probes = json["probes"] as? [[String: Any]] ?? []
        let (tcp, udp) = ("192.0.2.1 port 8080/tcp", "192.0.2.1 port 5300/udp")
        #expect(probes.map { $0["to"] as? String } == ["10.99.0.1", "10.99.0.3", tcp, tcp, tcp, udp, udp, udp])
        let sources = ["host", "outside", "try2"]
        #expect(probes.map { $0["from"] as? String } == ["try1", "try1"] + sources + sources)
        #expect(probes.allSatisfy { $0["microseconds"] is Int })
        let containers = json["containers"] as? [[String: Any]] ?? []
        #expect(containers.count == 2)
        #expect((containers.first?["routes"] as? [String])?.contains("default via 10.99.0.1 dev eth0") == true)
    }

    @Test(.enabled(if: PrivateHost.has("bridge", "host-local"), "needs our own plugins, which are not built"))
    func ourPluginsPassWithBothFamilies() throws {
        let outcome = try attempt(
            list("1.1.0", ranges: #"[{"subnet":"10.99.0.0/16"}],[{"subnet":"fd00:99::/64"}]"#),
            plugins: PrivateHost.directory
        )
        #expect(outcome.code == 0, "\(outcome.output)\(outcome.error)")
        #expect(
            (outcome.json["probes"] as? [[String: Any]])?.map { $0["to"] as? String } == [
                "10.99.0.1", "fd00:99::1", "10.99.0.3", "fd00:99::3",
            ]
        )
    }

    @Test(.enabled(if: PrivateHost.has("bridge", "host-local"), "needs our own plugins, which are not built"))
    func theNetworkForOperatorsPasses() throws {
        let sample = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("conf/10-bridge.conflist")
        let outcome = try PrivateHost.run(
            "\(PrivateHost.directory)/cnictl",
            ["try", sample.path],
            ["CNI_PATH": PrivateHost.directory]
        )
        #expect(outcome.code == 0, "\(outcome.output)\(outcome.error)")
        #expect(outcome.output.contains("everything worked, nothing is left behind"))
        #expect(!outcome.output.contains("\u{1B}"))
    }

    @Test(.enabled(if: hasReference, "needs the reference plugins in /usr/lib/cni"))
    func checkIsSkippedForOldNetworks() throws {
        let outcome = try attempt(list("0.3.1"), plugins: PrivateHost.referencePlugins)
        #expect(outcome.code == 0, "\(outcome.output)\(outcome.error)")
        #expect(outcomes(outcome)["CHECK try1"] == "skipped")
    }

    @Test(.enabled(if: hasReference, "needs the reference plugins in /usr/lib/cni"))
    func theMachineIsNotTouched() throws {
        func state() throws -> String {
            // Other tests mount their namespaces below /tmp at the same time.
            let mounts = "findmnt -rno TARGET | grep -v ^/tmp/"
            let links = "ip -br link; ip -br addr; ip route"
            let command = "\(links); \(mounts); ls -d /var/lib/cni /run/netns /srv/*"
            return try PrivateHost.run("/bin/sh", ["-c", command]).output
        }
        let before = try state()
        let text = list("1.0.0").replacingOccurrences(
            of: #""type":"host-local""#,
            with: #""type":"host-local","dataDir":"/srv/cnictl-test/leases""#
        )
        let outcome = try attempt(text, plugins: PrivateHost.referencePlugins)
        #expect(outcome.code == 0, "\(outcome.output)\(outcome.error)")
        #expect(outcomes(outcome)["CHECK try2"] == "ok")
        #expect((outcome.json["leases"] as? [Any])?.count == 2)
        #expect(try state() == before)
        #expect(!FileManager.default.fileExists(atPath: "/srv/cnictl-test"))
    }

    @Test(.enabled(if: hasReference, "needs the reference plugins in /usr/lib/cni"))
    func aLoopbackLeavesNothingAndLeadsNowhere() throws {
        try folder.write(#"{"cniVersion":"1.0.0","name":"lo","type":"loopback"}"#, to: "lo.conf")
        let outcome = try PrivateHost.run(
            "\(PrivateHost.directory)/cnictl",
            ["try", "\(folder.path)/lo.conf", "--json"],
            ["CNI_PATH": PrivateHost.referencePlugins, "CNI_IFNAME": "lo"]
        )
        #expect(outcome.code == 0, "\(outcome.output)\(outcome.error)")
        #expect(outcomes(outcome)["ping"] == "skipped")
    }

    @Test func leaksOfEveryKindAreFound() throws {
        try folder.write(
            """
            #!/bin/bash
            case $CNI_COMMAND in
            ADD)
                ip link add bad-${CNI_CONTAINERID: -1} type veth peer name dab-${CNI_CONTAINERID: -1}
                ip addr add 198.51.100.${CNI_CONTAINERID: -1}/32 dev up0
                ip route replace 203.0.113.0/24 dev up0
                ip link add shared0 type bridge
                nsenter --net=$CNI_NETNS ip link set lo up
                mkdir -p /var/lib/cni/networks/lab
                printf '%s\\r\\neth0' $CNI_CONTAINERID >/var/lib/cni/networks/lab/10.5.0.${CNI_CONTAINERID: -1}
                nft "add table inet left; add chain inet left c; add rule inet left c ip saddr 10.5.0.${CNI_CONTAINERID: -1}"
                echo "{\\"ips\\":[{\\"address\\":\\"10.5.0.${CNI_CONTAINERID: -1}/24\\"}]}" ;;
            esac
            """,
            to: "bin/leaky",
            executable: true
        )
        let outcome = try attempt(
            #"{"cniVersion":"1.0.0","name":"lab","plugins":[{"type":"leaky"}]}"#,
            plugins: "\(folder.path)/bin"
        )
        let leaks = outcome.json["leftovers"] as? [String] ?? []
        #expect(outcome.code == 1)
        #expect(
            Set(leaks).isSuperset(of: [
                "host: veth bad-1", "host: veth dab-2", "host: address 198.51.100.1/32 on up0",
                "host: route 203.0.113.0/24 dev up0", "try1: lo is up", "lease of 10.5.0.1 for cnictl-try1",
            ]),
            "\(leaks)"
        )
        #expect(outcome.json["shared"] as? [String] == ["bridge shared0"])
        if FileManager.default.isExecutableFile(atPath: "/usr/sbin/nft") {
            #expect(leaks.contains { $0.hasPrefix("rule ip saddr 10.5.0.1") }, "\(leaks)")
        }
        // Nobody answers at such an address.
        #expect(outcomes(outcome)["ping 10.5.0.2 (neighbour)"] == "failed")
    }

    @Test func afterAFailedAddDeleteAndTheSearchGoOn() throws {
        try folder.write(
            """
            #!/bin/bash
            echo $CNI_COMMAND $CNI_CONTAINERID >>\(folder.path)/calls
            [ $CNI_COMMAND = DEL ] && exit 0
            echo '{"code":77,"msg":"no","details":"never"}'; exit 1
            """,
            to: "bin/broken",
            executable: true
        )
        let outcome = try attempt(
            #"{"cniVersion":"1.0.0","name":"lab","plugins":[{"type":"broken"}]}"#,
            plugins: "\(folder.path)/bin"
        )
        #expect(outcome.code == 1)
        #expect(try folder.read("calls") == "ADD cnictl-try1\nDEL cnictl-try1\nDEL cnictl-try2\n")
        let failed = (outcome.json["steps"] as? [[String: Any]])?.first { $0["outcome"] as? String == "failed" }
        #expect(failed?["plugin"] as? String == "broken")
        #expect((failed?["error"] as? [String: Any])?["code"] as? Int == 77)
    }

    @Test func aSignalEndsItWithoutTraces() throws {
        try folder.write("#!/bin/bash\ntouch \(folder.path)/called\nexec sleep 20\n", to: "bin/slow", executable: true)
        try folder.write(#"{"cniVersion":"1.0.0","name":"lab","plugins":[{"type":"slow"}]}"#, to: "lab.conflist")
        var process = PluginProcess(
            "\(PrivateHost.directory)/cnictl",
            arguments: ["try", "\(folder.path)/lab.conflist"]
        )
        process.environment = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "CNI_PATH": "\(folder.path)/bin"]
        let running = try process.start()
        #expect(eventually { FileManager.default.fileExists(atPath: "\(folder.path)/called") })
        let start = ContinuousClock.now
        running.send(SIGTERM)
        let outcome = try running.finish()
        #expect(outcome.exitCode == 1)
        #expect(outcome.stderrText.contains("ended by a signal"), "\(outcome.stderrText)")
        // It does not wait for the plugin's own end.
        #expect(ContinuousClock.now - start < .seconds(18))
    }

    @Test func withoutRootItSaysSo() throws {
        try folder.write(list("1.0.0"), to: "lab.conflist")
        let outcome = try PrivateHost.run(
            "/usr/bin/setpriv",
            [
                "--reuid", "65534", "--clear-groups", "\(PrivateHost.directory)/cnictl", "try",
                "\(folder.path)/lab.conflist",
            ]
        )
        // The build directory may be closed to others, which is not what is tested here.
        if outcome.code == 1 { #expect(outcome.error.contains("needs root"), "\(outcome.error)") }
    }
}
