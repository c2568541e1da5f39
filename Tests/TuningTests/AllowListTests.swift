// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// The operator's list of allowed settings, in a mount namespace of the test's own.
@Suite("Allowed settings", .ownNetworkNamespace)
struct AllowListTests {
    private let network: TunedNetwork

    init() throws { network = try TunedNetwork() }

    /// A call that finds a list with this content.
    private func process(_ command: String, _ members: String, list: String) throws -> PluginProcess {
        let file = try network.directory.write(list, to: "allowlist.conf")
        let plain = network.process(command, members)
        let script =
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin; mount -t tmpfs tmpfs /etc && mkdir -p /etc/cni/tuning && "
            + "cp \(file) /etc/cni/tuning/allowlist.conf && exec \(Executables.path("tuning"))"
        var process = PluginProcess("/usr/bin/unshare", arguments: ["-m", "/bin/sh", "-c", script])
        (process.environment, process.input) = (plain.environment, plain.input)
        return process
    }

    private static let key = #""sysctl":{"net.ipv4.conf.IFNAME.arp_filter":"1"}"#

    @Test(
        arguments: [
            "^net.ipv4.conf.IFNAME.arp_filter$\n", "ipv4\n", "\n\n  \t\n   arp_filter  \r\n", "nothing\narp",
            #"\.arp_"#,
            #"^net\.ipv4\.conf\.[A-Z]+?\.\w+$"#, #"^net\.ipv\d\."#, #"(?:arp|rp)_filter\z"#, "(?i)ifname",
            #"[\w.]{10,}"#,
            #"IFNAME\.[^\d.]+$"#, "^net.ipv4.(conf|neigh).*", "[[:upper:]]", #"\Anet"#, "arp_.*?r",
        ]
    )
    func whatMatchesIsAllowed(list: String) throws {
        for command in ["STATUS", "ADD", "CHECK"] { try network.succeed(process(command, Self.key, list: list)) }
        #expect(try network.setting("ipv4/conf/eth0/arp_filter") == "1")
    }

    @Test(
        arguments: [
            "", "\n\n", "^ipv4", "net.core", "^net.ipv4.conf.eth0.arp_filter$", #"net\.ipv4x"#, #"^[^\w.]+$"#,
            #"IFNAME\d"#,
            "ifname", #"^net\.ipv4\.[a-z]+?$"#, "net.ipv4.conf.IFNAME.arp_filterx*y", #"\s"#,
        ]
    )
    func whatDoesNotMatchIsRefused(list: String) throws {
        let before = try network.state()
        try network.fail(
            process("ADD", #""mtu":1400,"# + Self.key, list: list),
            7,
            "Sysctl net.ipv4.conf.IFNAME.arp_filter is not allowed. Only the following sysctls are allowed",
            "sysctl.net.ipv4.conf.IFNAME.arp_filter"
        )
        try network.fail(process("STATUS", Self.key, list: list), 50, "is not allowed")
        try network.expectUnchanged(since: before)
        // What is there may be looked at and removed.
        try network.inside("sh", "-c", "echo 1 >/proc/sys/net/ipv4/conf/eth0/arp_filter")
        for command in ["CHECK", "DEL"] { try network.succeed(process(command, Self.key, list: list)) }
    }

    @Test(
        arguments: [
            "net\n(arp", "ipv4\n*arp", "ipv4\na**", #"ipv4"# + "\n" + #"arp\"#, "ipv4\n[arp", #"ipv4"# + "\n" + #"\pL"#,
            "ipv4\na(?=b)", "ipv4\na{,5}", "ipv4\nä", #"ipv4"# + "\n" + #"[\]]"#, #"ipv4"# + "\n" + #"(net)\1"#,
            "ipv4\na+*",
        ]
    )
    func aLineThatIsNoExpressionIsNamed(list: String) throws {
        let before = try network.state()
        try network.fail(process("ADD", Self.key, list: list), 7, "line 2 of /etc/cni/tuning/allowlist.conf")
        try network.fail(process("STATUS", Self.key, list: list), 50, "line 2 of /etc/cni/tuning/allowlist.conf")
        try network.expectUnchanged(since: before)
    }

    @Test func settingsOfTheCallAreHeldAgainstItToo() throws {
        let members = #""args":{"cni":{"sysctl":{"net.core.somaxconn":"500"}}}"#
        try network.fail(process("ADD", members, list: "ipv4"), 7, "args.cni.sysctl.net.core.somaxconn")
    }

    @Test func withoutSettingsItDoesNotMatterToADD() throws {
        try network.succeed(process("ADD", #""mtu":1400"#, list: "(("))
        try network.fail(process("STATUS", #""mtu":1400"#, list: "(("), 50, "line 1")
        try network.succeed(process("STATUS", "", list: "(("))
    }
}
