// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// A host with two bridges, two containers on the first and one on the second, and another host on its wire.
///
///     10.5.2.2 outside 192.0.2.2 -- 192.0.2.1 host 10.88.0.1 -- c1 10.88.0.2, c2 10.88.0.3
///                                                  10.99.0.1 -- c3 10.99.0.2
///
/// Nothing is masqueraded, so everybody sees who it is that comes. IPv6 has the same numbers below fd88:: and fd99::, and the
/// container's of the other host fd05::2.
final class Neighbourhood {
    let wire: Wire
    let containers: [ContainerNamespace]
    /// What the bridge plugin said of each container.
    let results: [String]
    /// The addresses of a container of the other host.
    static let remoteAddresses = ["10.5.2.2", "fd05::2"]
    private let directory: TemporaryDirectory

    /// Makes the host, with the kernel's passing of bridged packets to iptables on or off.
    init(bridgedPacketsAreFiltered: Bool = false) throws {
        wire = try Wire(bridgedPacketsAreFiltered: bridgedPacketsAreFiltered)
        directory = try TemporaryDirectory()
        containers = try (0..<3).map { _ in try ContainerNamespace() }
        try wire.outside.inside {
            // The kernel chooses no address that is not preferred unless a test names it.
            try Wire.ip(
                "address add 10.5.2.2/32 dev eth0",
                "address add fd05::2/128 dev eth0 nodad preferred_lft 0"
            )
        }
        try Wire.ip("route add 10.5.0.0/16 via 192.0.2.2", "route add fd05::/48 via 2001:db8::2")
        var results: [String] = []
        for number in 0..<3 {
            let (bridge, digits) = number < 2 ? ("br0", "88") : ("br1", "99")
            let members = """
                ,"bridge":"\(bridge)","isDefaultGateway":true,"ipam":{"type":"host-local","dataDir":"\(directory.path)",\
                "ranges":[[{"subnet":"10.\(digits).0.0/24"}],[{"subnet":"fd\(digits)::/64"}]]}
                """
            let call = PluginCall("bridge", members).with { $0.network = number < 2 ? "lan" : "wan" }
            results.append(try call.of(containers[number], "c\(number + 1)").call("ADD"))
        }
        self.results = results
    }

    /// The address of a container.
    static func address(_ number: Int, isV6: Bool) -> String {
        let (digits, host) = number < 2 ? ("88", number + 2) : ("99", 2)
        return isV6 ? "fd\(digits)::\(host)" : "10.\(digits).0.\(host)"
    }

    /// Calls of the plugin behind the bridge plugin's.
    func firewall(_ number: Int, _ members: String = "") -> PluginCall {
        PluginCall("firewall", members).of(containers[number], "c\(number + 1)").with {
            ($0.network, $0.previous) = (number < 2 ? "lan" : "wan", results[number])
        }
    }

    /// Publishes a port of a container, which leads to the same port of the container.
    func publish(_ number: Int, _ port: Int) throws {
        let members = """
            ,"runtimeConfig":{"portMappings":[{"hostPort":\(port),"containerPort":\(port),"protocol":"udp"}]}
            """
        let call = PluginCall("portmap", members).of(containers[number], "c\(number + 1)")
        try call.with { ($0.network, $0.previous) = (number < 2 ? "lan" : "wan", results[number]) }.call("ADD")
    }

    /// Whether the first can ask and the second answers; nothing in place of a number is the other host.
    func reaches(
        _ first: Int?,
        as source: String? = nil,
        _ second: Int?,
        isV6: Bool = false,
        port: Int? = nil,
        isWanted: Bool
    ) throws -> Bool {
        let target = second.map { Self.address($0, isV6: isV6) } ?? Wire.outsideAddresses[isV6 ? 1 : 0]
        let seen = try Wire.source(
            from: first.map { containers[$0] } ?? wire.outside,
            as: source,
            to: second.map { containers[$0] } ?? wire.outside,
            at: target,
            port: UInt16(port ?? 7000),
            through: port.map { (Wire.hostAddresses[isV6 ? 1 : 0], UInt16($0)) },
            // What must not come is not waited for as long.
            milliseconds: isWanted ? InternetSocket.patience : 60
        )
        return seen != nil
    }
}
