// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// Connections from networks that are let in to containers.
@Suite("Admitted networks", .ownNetworkNamespace)
struct AdmitFromTests {
    private static let key = #","admitFrom":["10.5.0.0/16","fd05::/48"]"#

    /// Expects that a container of the other host, and the other host itself, get through to a container of this one or not.
    private func expect(
        _ host: Neighbourhood,
        _ number: Int = 0,
        fromNetwork: Bool,
        fromElsewhere: Bool = false,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        for (isV6, remote) in zip([false, true], Neighbourhood.remoteAddresses) {
            let said: Comment = "IPv6 \(isV6)"
            let comes = try host.reaches(nil, as: remote, number, isV6: isV6, isWanted: fromNetwork)
            #expect(comes == fromNetwork, said, sourceLocation: sourceLocation)
            let other = try host.reaches(nil, number, isV6: isV6, isWanted: fromElsewhere)
            #expect(other == fromElsewhere, said, sourceLocation: sourceLocation)
        }
    }

    @Test(
        arguments: AdmissionTests.Dropper.allCases,
        [key, #","admitFrom":"10.5.2.2/16,fd05::2/48""#, key + #","ingressPolicy":"isolated""#]
    )
    func whoComesFromTheNetworkGetsThrough(dropper: AdmissionTests.Dropper, key: String) throws {
        let host = try Neighbourhood()
        try dropper.run("-P", "FORWARD", "DROP")
        let before = try PacketFilter()
        let call = host.firewall(0, key)
        let other = host.firewall(1)
        try other.call("ADD")
        try expect(host, fromNetwork: false)
        try call.call("ADD")
        try expect(host, fromNetwork: true)
        try expect(host, 1, fromNetwork: false)
        try call.call("CHECK")
        try call.call("DEL")
        try other.call("DEL")
        try expect(host, fromNetwork: false)
        #expect(try PacketFilter() == before)
    }

    @Test func theRulesAreOfOneFamilyEach() throws {
        let host = try Neighbourhood()
        let call = host.firewall(0, Self.key + #","backend":"iptables""#)
        try call.call("ADD")
        let rules = try PacketFilter().iptables
        expectGolden("nftables/firewall-admit-from.txt", rules.joined(separator: "\n") + "\n")
        try AdmissionTests.Dropper.nft.run("-P", "FORWARD", "DROP")
        try expect(host, fromNetwork: true)
        try call.call("CHECK")
    }

    @Test(arguments: [("", false), (#","admitFrom":"10.88.0.3/32,fd88::3/128""#, true)])
    func neighboursOfTheNetworkFindEachOther(key: String, isOpen: Bool) throws {
        let host = try Neighbourhood(bridgedPacketsAreFiltered: true)
        try AdmissionTests.Dropper.nft.run("-P", "FORWARD", "DROP")
        // Of two on one bridge only this one has rules here, as if the other were behind a tunnel.
        try host.firewall(0, key).call("ADD")
        for isV6 in [false, true] {
            #expect(try host.reaches(1, 0, isV6: isV6, isWanted: isOpen) == isOpen, "IPv6 \(isV6)")
        }
    }

    @Test func everybodyIsANetworkToo() throws {
        let host = try Neighbourhood()
        try AdmissionTests.Dropper.nft.run("-P", "FORWARD", "DROP")
        let call = host.firewall(0, #","admitFrom":["0.0.0.0/0","::/0"]"#)
        try call.call("ADD")
        try expect(host, fromNetwork: true, fromElsewhere: true)
        try expect(host, 1, fromNetwork: false)
        try call.call("CHECK")
    }

    @Test func aChangedKeyTakesTheOldRulesAlong() throws {
        let host = try Neighbourhood()
        try AdmissionTests.Dropper.nft.run("-P", "FORWARD", "DROP")
        let before = try PacketFilter()
        let keys = ["", Self.key, #","admitFrom":"10.6.0.0/16,10.6.0.0/16,fd06::/48""#, Self.key, ""]
        for (key, next) in zip(keys, keys.dropFirst()) {
            try host.firewall(0, key).call("ADD")
            try expect(host, fromNetwork: key == Self.key)
            try host.firewall(0, key).call("CHECK")
            let failure = try host.firewall(0, next).failure("CHECK")
            #expect(failure.code == 105, "\(key) \(next): \(failure)")
            let rules = try PacketFilter()
            #expect(rules.contains("10.5.0.0/16") == (key == Self.key), "\(key): \(rules)")
        }
        for (key, next) in zip(keys, keys.dropFirst()) {
            try host.firewall(0, key).call("ADD")
            try host.firewall(0, next).call("DEL")
            #expect(try PacketFilter() == before, "\(key) \(next)")
        }
    }

    @Test(arguments: ["open", "same-bridge"]) func isolationKeepsApartWhoIsAdmitted(policy: String) throws {
        let host = try Neighbourhood()
        try AdmissionTests.Dropper.nft.run("-P", "FORWARD", "DROP")
        let keys = #","admitFrom":["10.99.0.0/24","fd99::/64","10.5.0.0/16","fd05::/48"],"ingressPolicy":"\#(policy)""#
        for number in 0..<3 { try host.firewall(number, keys).call("ADD") }
        try expect(host, fromNetwork: true)
        for isV6 in [false, true] {
            let isOpen = policy == "open"
            #expect(try host.reaches(2, 0, isV6: isV6, isWanted: isOpen) == isOpen, "IPv6 \(isV6)")
        }
    }
}
