// SPDX-License-Identifier: Apache-2.0

import Glibc
import JSON
import Support
import Testing

/// Many bytes through the tunnel, and the largest packets that go through it.
@Suite(
    "vxlan: throughput",
    .ownNetworkNamespace,
    .enabled(if: Programs.path("iperf3") != nil, "needs iperf3")
)
struct ThroughputTests {
    private let cluster: Cluster
    init() throws { cluster = try Cluster() }

    /// A shape of the overlay over a version of IP.
    struct Shape: CustomTestStringConvertible, Sendable {
        let isBridged: Bool
        let underlay: String
        /// The largest packet of a container.
        var mtu: Int { underlay.contains(":") ? 1430 : 1450 }
        var network: OverlayNetwork { isBridged ? .bridged(over: underlay) : .routed(over: underlay) }
        /// The addresses of the container of the second host.
        var addresses: [String] { isBridged ? ["10.6.2.2", "fd06::2:0:0:2"] : ["10.5.2.2", "fd05:0:0:2::2"] }
        var testDescription: String { "\(isBridged ? "bridged" : "routed") over \(underlay)" }
    }

    private static let shapes = [false, true].flatMap { isBridged in
        ["192.168.9.", "fd09::"].map { Shape(isBridged: isBridged, underlay: $0) }
    }

    /// Sends from the first container to the second one, and returns what iperf3 says of it.
    private func send(to address: String, _ arguments: String) throws -> JSON {
        let (from, to) = (cluster.containers[0], cluster.containers[1])
        let iperf = try #require(Programs.path("iperf3"))
        let server = try to.inside { try PluginProcess(iperf, arguments: ["-s", "-1", "-B", address]).start() }
        defer { server.send(SIGKILL) }
        try #require(try eventually { try TestHost.run("ss -Hltn", in: to).contains(":5201") })
        let text = try TestHost.run("iperf3 -c \(address) -J \(arguments)", in: from)
        #expect(try server.finish().exitCode == 0)
        return try #require(try JSON.parse(Array(text.utf8))["end"])
    }

    /// What a kernel has counted of IP and UDP, by names such as IpFragCreates and Udp6RcvbufErrors.
    private func counters(_ space: ContainerNamespace) throws -> [String: Int] {
        var counters: [String: Int] = [:]
        let version4 = try TestHost.run("cat /proc/net/snmp", in: space).split(separator: "\n")
            .map { $0.split(separator: " ") }
        for (names, values) in zip(version4, version4.dropFirst()) where names[0] == values[0] {
            let protocolName = names[0].dropLast()
            for (name, value) in zip(names, values) { counters["\(protocolName)\(name)"] = Int(value) }
        }
        for line in try TestHost.run("cat /proc/net/snmp6", in: space).split(separator: "\n") {
            let words = line.split { $0 == " " || $0 == "\t" }
            counters[String(words[0])] = Int(words[1])
        }
        return counters
    }

    @Test(arguments: shapes) func manyBytesArriveInPacketsThatNobodySplits(shape: Shape) throws {
        try cluster.attachAll(shape.network)
        for address in shape.addresses {
            // TCP sends again what the receiver, standing still for a while, did not acknowledge: that is the machine's doing.
            // What the tunnel loses it loses each time.
            var (sent, again) = (0, 0)
            for _ in 0..<5 {
                // At a rate that any machine bears, because TCP without one looks for the limit by losing.
                let stream = try send(to: address, "-n 64M -b 500M")
                sent = try #require(stream["sum_sent"]?["bytes"]?.text.flatMap { Int($0) })
                let received = try #require(stream["sum_received"]?["bytes"]?.text.flatMap { Int($0) })
                // What is on its way at the end is not counted.
                #expect(sent >= 64 << 20 && received >= 32 << 20, "\(received) of \(sent) to \(address)")
                again = try #require(stream["sum_sent"]?["retransmits"]?.text.flatMap { Int($0) })
                if again * 100 < sent / shape.mtu { break }
            }
            // One in a hundred segments at most is sent once more.
            #expect(again * 100 < sent / shape.mtu, "\(again) of \(sent / shape.mtu) to \(address)")

            let (header, version) = address.contains(":") ? (48, "6") : (28, "")
            let packets = try send(to: address, "-u -b 8M -n 1M -l \(shape.mtu - header)")["sum"]
            #expect(packets?["packets"]?.text.flatMap { Int($0) } ?? 0 >= (1 << 20) / shape.mtu)
            // Those that came and found no room, because nobody read them for a while, were not lost on the way.
            let late = try #require(try counters(cluster.containers[1])["Udp\(version)RcvbufErrors"])
            let lost = try #require(packets?["lost_packets"]?.text.flatMap { Int($0) })
            #expect(lost <= late, "\(lost) lost, \(late) late to \(address)")
        }
        for space in cluster.containers + cluster.hosts.map({ $0.space }) {
            let counters = try counters(space)
            for name in ["FragCreates", "FragFails", "ReasmReqds"] {
                #expect(counters["Ip\(name)"] == 0 && counters["Ip6\(name)"] == 0, "\(name) of \(space.path)")
            }
        }
    }

    @Test(arguments: shapes) func segmentsAreAsLargeAsTheTunnelAllows(shape: Shape) throws {
        try cluster.attachAll(shape.network)
        for address in shape.addresses {
            let conversation = try #require(
                try Conversation(from: cluster.containers[0], to: address, in: cluster.containers[1])
            )
            #expect(conversation.goesOn())
            // Less the headers of IP and TCP, with a time stamp in it.
            #expect(conversation.segment == shape.mtu - (address.contains(":") ? 60 : 40) - 12, "\(address)")
        }
    }

    @Test(arguments: shapes) func whatIsTooLargeIsRefusedWithTheRightSize(shape: Shape) throws {
        try cluster.attachAll(shape.network)
        // In a routed network the host itself has a way to containers of others.
        for space in [cluster.containers[0]] + (shape.isBridged ? [] : [cluster.hosts[0].space]) {
            for address in shape.addresses {
                let size = shape.mtu - (address.contains(":") ? 48 : 28)
                try TestHost.run("ping -n -M do -c 1 -w 15 -s \(size) \(address)", in: space)
                let arguments = ["-n", "-M", "do", "-c", "1", "-W", "0.2", "-s", "\(size + 1)", address]
                let refused = try PluginProcess(Programs.path("ping") ?? "ping", arguments: arguments)
                    .run(in: space.namespace)
                let text = refused.stdoutText + refused.stderrText
                #expect(refused.exitCode == 1 && text.contains("message too long"), "\(text)")
                #expect(text.contains("\(shape.mtu)\n"), "\(text)")
            }
        }
    }
}
