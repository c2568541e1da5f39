// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// The rehearsal of networks that publish ports and masquerade.
@Suite(.enabled(if: PrivateHost.isRoot, "needs root, for namespaces"), .usesNeighbourTable, .serialized)
struct TryPortTests {
    private let folder: TemporaryFolder

    /// Makes a folder for this test.
    init() throws { folder = try TemporaryFolder() }

    private static let hasChain = PrivateHost.has("bridge", "host-local", "portmap", "firewall", "tuning")

    private func attempt(_ path: String, _ arguments: [String] = [], plugins: String) throws -> PrivateHost.Outcome {
        try PrivateHost.run(
            "\(PrivateHost.directory)/cnictl",
            ["try", path, "--json"] + arguments,
            ["CNI_PATH": plugins]
        )
    }

    private func probes(_ outcome: PrivateHost.Outcome) -> [String] {
        (outcome.json["probes"] as? [[String: Any]] ?? []).map { probe in
            let mark = probe["microseconds"] is Int ? "" : "not "
            return "\(mark)\(probe["from"] as? String ?? "?") to \(probe["to"] as? String ?? "?")"
        }
    }

    /// A bridge network with a portmap of our own making behind it, which notes what it is told and does nothing.
    private func deafNetwork() throws -> String {
        try folder.write(
            """
            #!/bin/bash
            cat >\(folder.path)/$CNI_COMMAND-$CNI_CONTAINERID
            [ $CNI_COMMAND = ADD ] || exit 0
            echo "{\\"ips\\":[{\\"address\\":\\"10.99.0.$((${CNI_CONTAINERID: -1} + 1))/16\\"}]}"
            """,
            to: "bin/portmap",
            executable: true
        )
        try folder.write(
            """
            {"cniVersion":"1.0.0","name":"lab","disableCheck":true,"plugins":[{"type":"bridge","bridge":"lab0","isDefaultGateway":true,
             "ipam":{"type":"host-local","ranges":[[{"subnet":"10.99.0.0/16"}]]}},
             {"type":"portmap","capabilities":{"portMappings":true}}]}
            """,
            to: "lab.conflist"
        )
        return "\(folder.path)/lab.conflist"
    }

    private func mappings(_ call: String) throws -> String? {
        let input = try JSONSerialization.jsonObject(with: Data(folder.read(call).utf8)) as? [String: Any]
        guard let config = input?["runtimeConfig"] else { return nil }
        let data = try JSONSerialization.data(withJSONObject: config, options: .sortedKeys)
        return String(decoding: data, as: UTF8.self)
    }

    @Test(.enabled(if: PrivateHost.has("bridge", "host-local"), "needs our own plugins, which are not built"))
    func aPortThatLeadsNowhereIsFoundFromEverySide() throws {
        let outcome = try attempt(deafNetwork(), plugins: "\(folder.path)/bin:\(PrivateHost.directory)")
        #expect(outcome.code == 1)
        #expect(
            probes(outcome).filter { $0.hasPrefix("not ") }
                == ["host", "outside", "try2"].map { "not \($0) to 192.0.2.1 port 8080/tcp" }
        )
        let steps = outcome.json["steps"] as? [[String: Any]] ?? []
        let failed = steps.filter { $0["outcome"] as? String == "failed" }.map { $0["step"] as? String }
        #expect(failed == ["host", "outside", "try2"].map { "published port 8080 (\($0) → try1)" })
        // Only one of them can have the port.
        #expect(
            try mappings("ADD-cnictl-try1")
                == #"{"portMappings":[{"containerPort":80,"hostPort":8080,"protocol":"tcp"}]}"#
        )
        #expect(try mappings("DEL-cnictl-try1") == mappings("ADD-cnictl-try1"))
        #expect(try mappings("ADD-cnictl-try2") == nil)
    }

    @Test(.enabled(if: PrivateHost.has("bridge", "host-local"), "needs our own plugins, which are not built"))
    func thePortsOfTheCommandLineReplaceOurOwn() throws {
        let outcome = try attempt(
            deafNetwork(),
            ["--publish", "5300:53/udp"],
            plugins: "\(folder.path)/bin:\(PrivateHost.directory)"
        )
        #expect(outcome.code == 1)
        #expect(
            try mappings("ADD-cnictl-try1")
                == #"{"portMappings":[{"containerPort":53,"hostPort":5300,"protocol":"udp"}]}"#
        )
        #expect(probes(outcome).contains("not outside to 192.0.2.1 port 5300/udp"))
    }

    @Test(.enabled(if: PrivateHost.has("bridge", "host-local"), "needs our own plugins, which are not built"))
    func withoutMasqueradeTheWorldCannotAnswer() throws {
        let text = """
            {"cniVersion":"1.0.0","name":"lab","disableCheck":true,"plugins":[{"type":"bridge","bridge":"lab0","isDefaultGateway":true,
             "ipMasq":MASQ,"ipam":{"type":"host-local","ranges":[[{"subnet":"10.99.0.0/16"}],[{"subnet":"fd00:99::/64"}]]}}]}
            """
        try folder.write(text.replacingOccurrences(of: "MASQ", with: "true"), to: "with.conflist")
        try folder.write(text.replacingOccurrences(of: "MASQ", with: "false"), to: "without.conflist")
        let with = try attempt("\(folder.path)/with.conflist", plugins: PrivateHost.directory)
        #expect(with.code == 0, "\(with.output)\(with.error)")
        #expect(probes(with).suffix(2) == ["try1 to 192.0.2.254", "try1 to 2001:db8:ffff::fe"])
        // Nobody promised that.
        let without = try attempt("\(folder.path)/without.conflist", plugins: PrivateHost.directory)
        #expect(without.code == 0, "\(without.output)\(without.error)")
        #expect(!probes(without).contains { $0.contains("192.0.2.254") })
    }

    @Test(
        .enabled(
            if: hasChain,
            "needs our own bridge, host-local, portmap, firewall and tuning, of which some are not built"
        ),
        arguments: ["10-bridge", "10-containerd-net", "87-podman", "nerdctl-bridge"]
    )
    func theChainsOfTheRuntimesPass(_ name: String) throws {
        let outcome = try attempt("\(Golden.directory)/../conf/\(name).conflist", plugins: PrivateHost.directory)
        #expect(outcome.code == 0, "\(outcome.output)\(outcome.error)")
        let probes = probes(outcome)
        for source in ["host", "outside", "try2"] { #expect(probes.contains("\(source) to 192.0.2.1 port 8080/tcp")) }
        #expect(probes.contains("try1 to 192.0.2.254"))
        #expect(!probes.contains { $0.hasPrefix("not ") })
    }
}
