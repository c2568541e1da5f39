// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// Side by side with the plugin of the Go suite, on one store.
@Suite(
    .seeded,
    .enabled(if: HostLocalNetwork.hasReference, "needs /usr/lib/cni/host-local of containernetworking-plugins")
)
struct ReferenceTests {
    private let ours: HostLocalNetwork
    private let theirs: HostLocalNetwork

    init() throws {
        ours = try HostLocalNetwork(#","ranges":[[{"subnet":"10.1.0.0/24"}],[{"subnet":"fd00::/64"}]]"#)
        theirs = ours.throughReference
    }

    @Test func leasesOfTheReferenceAreHonouredContinuedCheckedAndReleased() throws {
        #expect(try theirs.add("a") == ["10.1.0.2", "fd00::2"])
        #expect(try ours.add("b") == ["10.1.0.3", "fd00::3"])
        #expect(try ours.call("CHECK", "a").exitCode == 0)
        #expect(try ours.call("ADD", "a").code == 107)
        #expect(try ours.call("ADD", "c", arguments: "IP=10.1.0.2").code == 103)
        try ours.delete("a")
        #expect(try theirs.call("CHECK", "a").exitCode != 0)
        #expect(try ours.leases().keys.sorted() == ["10.1.0.3", "fd00::3"])
    }

    @Test func ourLeasesAreHonouredContinuedCheckedAndReleasedByTheReference() throws {
        #expect(try ours.add("a") == ["10.1.0.2", "fd00::2"])
        #expect(try theirs.add("b") == ["10.1.0.3", "fd00::3"])
        #expect(try theirs.call("CHECK", "a").exitCode == 0)
        #expect(try theirs.call("ADD", "a").exitCode == 1)
        #expect(try theirs.call("ADD", "c", arguments: "IP=10.1.0.2").exitCode == 1)
        try theirs.delete("a")
        #expect(try ours.call("CHECK", "a").exitCode != 0)
        #expect(try ours.add("d") == ["10.1.0.4", "fd00::4"])
    }

    @Test(arguments: ResultTests.versions.dropLast()) func resultsAreThoseOfTheReference(version: String) throws {
        var (mine, other) = (try HostLocalNetwork(), try HostLocalNetwork().throughReference)
        let file = try mine.writeBeside("nameserver 10.0.0.53\nsearch a b\n", to: "resolv.conf")
        mine.version = version
        mine.ipam =
            #","resolvConf":"\#(file)","ranges":[[{"subnet":"10.1.0.0/24"}],[{"subnet":"fd00::/64"}]],"#
            + #""routes":[{"dst":"0.0.0.0/0"},{"dst":"::/0","gw":"fd00::9"}]"#
        (other.version, other.ipam) = (version, mine.ipam)
        let (answer, expected) = (try mine.call("ADD").text, try other.call("ADD").text)
        let objects = try [answer, expected].map {
            try JSONSerialization.jsonObject(with: Data($0.utf8)) as? NSDictionary
        }
        #expect(objects[0] == objects[1], "\(answer)\n\(expected)")
    }

    @Test func theSameOneOfSeveralAddressesIsNamed() throws {
        let ours = try HostLocalNetwork(#","ranges":[[{"subnet":"10.1.0.0/29"},{"subnet":"10.2.0.0/24"}]]"#)
        for network in [ours, ours.throughReference] {
            for address in ["10.2.0.66", "10.1.0.6"] {
                #expect(try network.call("ADD", "c1", arguments: "IP=\(address)").exitCode == 0)
            }
            let message = try network.call("ADD", "c1").message
            #expect(message.contains("10.1.0.6 has been allocated to c1"), "\(message)")
            try network.delete("c1")
        }
    }

    /// A call of a random sequence.
    private struct Step {
        let command: String
        let id: String
        let interface: String
        let arguments: String
        let isOurs: Bool
    }

    private static func steps(_ count: Int, requests: [String], _ generator: inout SeededGenerator) -> [Step] {
        (0..<count).map { _ in
            let command = ["ADD", "ADD", "ADD", "DEL", "DEL", "CHECK"].randomElement(using: &generator) ?? "ADD"
            let wanted = Int.random(in: 0..<4, using: &generator) == 0 ? requests.randomElement(using: &generator) : nil
            return Step(
                command: command,
                id: "c\(Int.random(in: 0..<9, using: &generator))",
                interface: "eth\(Int.random(in: 0..<2, using: &generator))",
                arguments: wanted.map { "IP=\($0)" } ?? "",
                isOurs: Bool.random(using: &generator)
            )
        }
    }

    /// Runs the sequence on one store by both in turn and on another one by the reference alone.
    private func expectSame(_ ipam: String, requests: [String], _ generator: inout SeededGenerator) throws {
        let mixed = try HostLocalNetwork(ipam)
        let alone = try HostLocalNetwork(ipam).throughReference
        for (number, step) in Self.steps(100, requests: requests, &generator).enumerated() {
            let network = step.isOurs ? mixed : mixed.throughReference
            let call = { (network: HostLocalNetwork) in
                try network.call(step.command, step.id, interface: step.interface, arguments: step.arguments)
            }
            let (answer, expected) = (try call(network), try call(alone))
            #expect(answer.exitCode == expected.exitCode, "step \(number) \(step): \(answer)\(expected)")
            #expect(answer.prefixes == expected.prefixes, "step \(number) \(step)")
            #expect(answer.message == expected.message, "step \(number) \(step)")
            let leases = try alone.leases()
            let held = try mixed.leases()
            let isSame = held == leases && mixed.read("last_reserved_ip.0") == alone.read("last_reserved_ip.0")
            // All that follows would differ as well.
            try #require(isSame, "step \(number) \(step): \(held) \(leases) \(answer)\(expected)")
        }
        for id in 0..<9 { for interface in ["eth0", "eth1"] { try mixed.delete("c\(id)", interface: interface) } }
        #expect(try mixed.leases().isEmpty)
    }

    @Test func aMixedSequenceOnASmallPoolIsOneOfTheReferenceAlone() throws {
        var generator = SeededGenerator("aMixedSequenceOnASmallPoolIsOneOfTheReferenceAlone")
        try expectSame(
            #","ranges":[[{"subnet":"10.1.0.0/29"},{"subnet":"10.2.0.0/24","rangeStart":"10.2.0.62","#
                + #""rangeEnd":"10.2.0.66","gateway":"10.2.0.64"}]]"#,
            // None is in no set: there the reference takes others first, and then gives back all of the attachment.
            requests: ["10.1.0.1", "10.1.0.3", "10.1.0.6", "10.2.0.64", "10.2.0.65"],
            &generator
        )
    }

    @Test func aMixedSequenceOnTwoPoolsIsOneOfTheReferenceAlone() throws {
        var generator = SeededGenerator("aMixedSequenceOnTwoPoolsIsOneOfTheReferenceAlone")
        try expectSame(#","ranges":[[{"subnet":"10.1.0.0/27"}],[{"subnet":"fd00::/122"}]]"#, requests: [], &generator)
    }
}
