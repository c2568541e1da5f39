// SPDX-License-Identifier: Apache-2.0

import Addressing
import Testing

/// Prefixes, the networks they name, and what belongs to them.
@Suite struct PrefixTests {
    @Test(arguments: [
        ("10.1.0.5/16", "10.1.0.0", "10.1.255.255"), ("10.1.0.5/32", "10.1.0.5", "10.1.0.5"),
        ("10.1.0.5/31", "10.1.0.4", "10.1.0.5"), ("10.1.0.5/0", "0.0.0.0", "255.255.255.255"),
        ("192.168.1.200/25", "192.168.1.128", "192.168.1.255"), ("fd00::5/64", "fd00::", "fd00::ffff:ffff:ffff:ffff"),
        ("fd00::5/128", "fd00::5", "fd00::5"), ("::1/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("fd00::5/127", "fd00::4", "fd00::5"),
    ])
    func aPrefixKeepsItsHostBitsAndKnowsItsNetwork(text: String, network: String, last: String) throws {
        let prefix = try #require(Prefix(text))
        #expect(prefix.description == text)
        #expect(prefix.network == IPAddress(network))
        #expect(prefix.last == IPAddress(last))
        #expect(prefix.masked == Prefix("\(network)/\(prefix.length)"))
        #expect(prefix.masked.isNetwork)
        #expect(prefix.isNetwork == (prefix.address == prefix.network))
        #expect(prefix.contains(prefix.network) && prefix.contains(prefix.last) && prefix.contains(prefix.address))
        #expect(prefix.network.predecessor.map(prefix.contains) != true)
        #expect(prefix.last.successor.map(prefix.contains) != true)
        #expect(prefix.hostLength == (prefix.address.family == .v4 ? 32 : 128))
    }

    @Test(arguments: [
        "", "/", "10.0.0.0", "10.0.0.0/", "/8", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/+8", "10.0.0.0/-1",
        "10.0.0.0/ 8",
        "10.0.0.0/8 ", "10.0.0.0/8/8", "10.0.0/8", "fd00::/129", "fd00::/064", "fd00::/1000", "10.0.0.0/a",
        "10.0.0.0/00",
        "10.0.0.0/18446744073709551624", "10.0.0.0/255.0.0.0", "::ffff:10.0.0.0/24", "::ffff:10.0.0.0/95",
    ])
    func whatIsNoPrefixIsRefused(text: String) {
        #expect(Prefix(text) == nil)
    }

    @Test func aMappedPrefixBecomesIPv4WithItsLength() {
        #expect(Prefix("::ffff:10.1.2.3/120") == Prefix("10.1.2.3/24"))
        #expect(Prefix("::ffff:10.1.2.3/128") == Prefix("10.1.2.3/32"))
    }

    @Test(arguments: [(-1, false), (0, true), (32, true), (33, false)])
    func aLengthMustFitTheFamily(length: Int, fits: Bool) throws {
        let address = try #require(IPAddress("10.0.0.1"))
        #expect((Prefix(address: address, length: length) != nil) == fits)
        #expect(Prefix(address: IPAddress(family: .v6, bits: 1), length: 129) == nil)
    }

    @Test(arguments: [
        ("10.0.0.0/8", "10.1.0.0/16", true, true), ("10.1.0.0/16", "10.0.0.0/8", false, true),
        ("10.0.0.7/24", "10.0.0.9/24", true, true), ("10.0.0.0/24", "10.0.1.0/24", false, false),
        ("0.0.0.0/0", "255.0.0.0/8", true, true), ("::/0", "10.0.0.0/8", false, false),
        ("0.0.0.0/0", "::1/128", false, false),
        ("fd00::/8", "fd00:1::/64", true, true), ("10.0.0.0/25", "10.0.0.128/25", false, false),
    ])
    func networksContainAndOverlap(left: String, right: String, contains: Bool, overlaps: Bool) throws {
        let left = try #require(Prefix(left))
        let right = try #require(Prefix(right))
        #expect(left.contains(right) == contains)
        #expect(left.overlaps(right) == overlaps)
        #expect(right.overlaps(left) == overlaps)
    }

    @Test func anAddressOfTheOtherFamilyIsNeverContained() {
        #expect(!Prefix.defaultV6.contains(IPAddress(family: .v4, bits: 0)))
        #expect(!Prefix.defaultV4.contains(IPAddress(family: .v6, bits: 0)))
    }

    @Test func theDefaultsAreTheDefaults() {
        #expect(Prefix.defaultV4.description == "0.0.0.0/0")
        #expect(Prefix.defaultV6.description == "::/0")
    }
}
