// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// How the others on a bridge learn whose an address is now.
@Suite("Announcements", .ownNetworkNamespace)
struct AnnouncementTests {
    private let directory: TemporaryDirectory
    private let network: GuardedNetwork
    private let (first, second): (ContainerNamespace, ContainerNamespace)

    init() throws {
        directory = try TemporaryDirectory()
        (first, second) = (try ContainerNamespace(), try ContainerNamespace())
        let ranges = #"[[{"subnet":"10.88.0.0/24"}],[{"subnet":"fd88::/64"}]]"#
        network = GuardedNetwork().unguarded.with(
            #","isGateway":true,"ipam":{"type":"host-local","dataDir":"\#(directory.path)","ranges":\#(ranges)}"#
        )
    }

    @Test func anAddressIsAnnouncedOnce() throws {
        try network.call("ADD", first)
        let arp = try FrameSocket(first, type: 0x0806)
        let ipv6 = try FrameSocket(first, type: 0x86dd)
        try network.call("ADD", second, id: "c2")
        // Each announcement reaches every port of the bridge, so a second one would cost as much as the ports are many.
        #expect(arp.all().count { $0[28..<32].elementsEqual([10, 88, 0, 3]) } == 1)
        let target: [UInt8] = [0xfd, 0x88] + [UInt8](repeating: 0, count: 13) + [3]
        // Advertisements of neighbours: ICMPv6, type 136, for a target.
        let isAdvertisement = { (frame: [UInt8]) in
            frame.count >= 78 && frame[20] == 58 && frame[54] == 136 && frame[62..<78].elementsEqual(target)
        }
        #expect(ipv6.all().count(where: isAdvertisement) == 1)
    }

    @Test func whoKnewTheAddressAsSomebodyElsesLearnsOfIt() throws {
        try network.call("ADD", first)
        let addresses = ["10.88.0.3", "fd88::3"]
        for address in addresses {
            let entry = ["replace", address, "lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud", "stale"]
            _ = try first.inside { try Programs.run("ip", ["neigh"] + entry) }
        }
        try network.call("ADD", second, id: "c2")
        let link = try second.inside { try Programs.run("ip", "-o", "link", "show", "eth0") }
        let mac = try #require(link.firstMatch(of: /link\/ether ([0-9a-f:]{17})/)?.output.1)
        for address in addresses {
            let hasLearnt = try eventually {
                try first.inside { try Programs.run("ip", "neigh", "show", address) }.contains("lladdr \(mac)")
            }
            #expect(hasLearnt)
        }
    }
}
