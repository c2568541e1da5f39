// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// CHECK finds what is configured and is not so any more, and nothing else.
@Suite("CHECK of tuning", .ownNetworkNamespace)
struct DriftTests {
    private let network: TunedNetwork

    init() throws { network = try TunedNetwork() }

    @Test(
        arguments: [
            ("ip link set eth0 address 02:00:00:00:00:55", "Error: Tuning configured Ethernet of eth0"),
            ("ip link set eth0 promisc off", "Error: Tuning link eth0 configured promisc is true"),
            ("ip link set eth0 mtu 1500", "Error: Tuning configured MTU of eth0 is 1400, current value is 1500"),
            ("ip link set eth0 allmulticast off", "Error: Tuning configured all-multicast mode of eth0 is true"),
            ("ip link set eth0 txqueuelen 78", "Queue Length of eth0 is 77, current value is 78"),
            (
                "echo 0 >/proc/sys/net/ipv4/conf/eth0/arp_filter",
                "Error: Tuning configured value of /proc/sys/net/ipv4/conf/eth0/arp_filter is 1, current value is 0"
            ),
            ("ip link delete eth0", "net/ipv4/conf/eth0/arp_filter"),
        ]
    )
    func whatChangedIsFound(change: String, complaint: String) throws {
        try network.add(TunedNetwork.everything)
        let check = network.process("CHECK", TunedNetwork.everything)
        try network.succeed(check)
        try network.inside("sh", "-c", "PATH=/usr/sbin:/usr/bin:/sbin:/bin; \(change)")
        try network.fail(check, 105, complaint)
    }

    @Test func whatIsNotConfiguredMayBeAsItLikes() throws {
        let members = #""mtu":1400"#
        try network.add(members)
        try network.inside("ip", "link", "set", "eth0", "promisc", "on", "allmulticast", "on", "txqueuelen", "5")
        try network.inside("ip", "link", "set", "eth0", "address", "02:00:00:00:00:55")
        try network.succeed(network.process("CHECK", members))
    }

    @Test func anAddressIsComparedAndNotItsSpelling() throws {
        let members = #""mac":"02-00-00-00-00-AB""#
        try network.add(members)
        try network.succeed(network.process("CHECK", members))
    }

    @Test(arguments: ["0.4.0", "1.0.0", "1.1.0"]) func everyVersionThatHasIt(version: String) throws {
        try network.add(#""mtu":1400"#, version: version)
        try network.succeed(network.process("CHECK", #""mtu":1400"#, version: version))
        try network.fail(network.process("CHECK", #""mtu":1300"#, version: version), 105)
    }

    @Test(arguments: ["0.1.0", "0.2.0", "0.3.0", "0.3.1"]) func noVersionBefore(version: String) throws {
        try network.fail(network.process("CHECK", #""mtu":1400"#, version: version), 1)
    }

    @Test func aNamespaceThatIsGoneIsAnError() throws {
        try network.add(#""mtu":1400"#)
        network.container.removePath()
        try network.fail(network.process("CHECK", #""mtu":1400"#), 8)
    }
}
