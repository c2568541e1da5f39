// SPDX-License-Identifier: Apache-2.0

import Addressing
import Testing

/// Addresses as text, as bytes and as numbers.
@Suite struct IPAddressTests {
    @Test(
        arguments: [
            ("0.0.0.0", 0), ("10.1.0.5", 0x0A01_0005), ("255.255.255.255", 0xFFFF_FFFF), ("127.0.0.1", 0x7F00_0001),
            ("192.168.100.9", 0xC0A8_6409),
        ] as [(String, UInt128)]
    )
    func fourOctetsAreAnAddress(text: String, bits: UInt128) throws {
        let address = try #require(IPAddress(text))
        #expect(address.family == .v4)
        #expect(address.bits == bits)
        #expect(address.description == text)
        #expect(address.bytes.count == 4)
        #expect(IPAddress(bytes: address.bytes) == address)
    }

    @Test(arguments: [("fd22::12:3456", "ff02::1:ff12:3456"), ("2001:db8:ffff:ffff::1", "ff02::1:ff00:1")])
    func neighboursAskForAnAddressByItsGroup(text: String, group: String) throws {
        #expect(try #require(IPAddress(text)).solicitedNodeGroup.description == group)
    }

    /// The second text is the one that RFC 5952 and Go have for the address.
    @Test(arguments: [
        ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("2001:DB8::A", "2001:db8::a"), ("0:0:0:0:0:0:0:0", "::"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"), ("fe80::0001", "fe80::1"),
        ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"), ("::1.2.3.4", "::102:304"),
        ("64:ff9b::1.2.3.4", "64:ff9b::102:304"),
        ("0:1::", "0:1::"), ("1:0:0:2:0:0:3:4", "1::2:0:0:3:4"),
        (
            "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
        ),
    ])
    func addressesOfIPv6AreWrittenInOneWay(text: String, canonical: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.family == .v6)
        #expect(address.description == canonical)
        #expect(IPAddress(canonical) == address)
        #expect(IPAddress(bytes: address.bytes) == address)
        #expect("\(address)" == canonical)
    }

    @Test(arguments: [
        "", " ", ".", "1", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3", "01.2.3.4", "1.2.3.04", "00.0.0.0",
        "256.1.1.1",
        "1.2.3.999", "1.2.3.4 ", " 1.2.3.4", "1.2.3.4\n", "+1.2.3.4", "-1.2.3.4", "0x1.2.3.4", "1.2.3.4/24", "a.b.c.d",
        "1.2.3.99999999999999999999", "١.2.3.4", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "::1::",
        "1::2::3",
        "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:", "1:", ":1",
        "12345::",
        "g::", "fe80::1%eth0", "[::1]", "::1 ", " ::1", "::1.2.3", "::1.2.3.4.5", "::01.2.3.4", "::1.2.3.4:5",
        "1:2:3:4:5:6:7:1.2.3.4", "1.2.3.4::", "::a.1.2.3", "1:2:3:4:5:1.2.3.4", "::256.1.1.1", "::-1", "::00001",
        "::/0",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
    ])
    func whatIsNoAddressIsRefused(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test(arguments: ["::ffff:10.1.2.3", "::FFFF:a01:203", "0:0:0:0:0:ffff:10.1.2.3"])
    func aMappedAddressBecomesIPv4(text: String) {
        #expect(IPAddress(text) == IPAddress("10.1.2.3"))
        #expect(IPAddress(bytes: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 10, 1, 2, 3]) == IPAddress("10.1.2.3"))
    }

    @Test func aMappedNumberStaysIPv6() {
        let address = IPAddress(family: .v6, bits: 0xFFFF_0A01_0203)
        #expect(address.family == .v6)
        #expect(address.description == "::ffff:10.1.2.3")
    }

    @Test(arguments: [0, 1, 3, 5, 15, 17, 32])
    func otherNumbersOfBytesAreRefused(count: Int) {
        #expect(IPAddress(bytes: [UInt8](repeating: 1, count: count)) == nil)
    }

    @Test(arguments: [
        ("10.0.0.255", "10.0.1.0"), ("9.255.255.255", "10.0.0.0"), ("fd00::ffff", "fd00::1:0"), ("::", "::1"),
        ("fd00::ffff:ffff:ffff:ffff", "fd00:0:0:1::"), ("255.255.255.254", "255.255.255.255"),
    ])
    func neighboursFollowEachOtherAcrossBorders(lower: String, upper: String) {
        #expect(IPAddress(lower)?.successor == IPAddress(upper))
        #expect(IPAddress(upper)?.predecessor == IPAddress(lower))
    }

    @Test(arguments: [("0.0.0.0", "255.255.255.255"), ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")])
    func aFamilyEndsWhereItEnds(lowest: String, highest: String) throws {
        let lowest = try #require(IPAddress(lowest))
        let highest = try #require(IPAddress(highest))
        #expect(lowest.predecessor == nil)
        #expect(highest.successor == nil)
        #expect(lowest.advanced(by: highest.bits) == highest)
        #expect(lowest.successor?.advanced(by: highest.bits) == nil)
        #expect(highest.advanced(by: 0) == highest)
        #expect(highest.advanced(by: .max) == nil)
    }

    @Test func mappedNumbersDoNotEndTheArithmetic() {
        let below = IPAddress("::fffe:ffff:ffff")
        #expect(below?.successor?.family == .v6)
        #expect(below?.successor?.predecessor == below)
    }

    @Test func allOfIPv4ComesBeforeIPv6() throws {
        let texts = ["0.0.0.1", "9.0.0.0", "10.0.0.0", "255.255.255.255", "::", "::1", "9::", "10::", "fd00::"]
        let addresses = try texts.map { try #require(IPAddress($0)) }
        #expect(addresses.shuffled().sorted() == addresses)
    }

    @Test(arguments: [
        ("0.0.0.0", "unspecified"), ("::", "unspecified"), ("127.0.0.1", "loopback"), ("127.255.0.1", "loopback"),
        ("::1", "loopback"), ("224.0.0.1", "multicast"), ("239.255.255.255", "multicast"), ("ff02::1", "multicast"),
        ("169.254.0.1", "link"), ("fe80::1", "link"), ("febf::1", "link"), ("126.255.255.255", ""), ("128.0.0.0", ""),
        ("223.255.255.255", ""), ("240.0.0.0", ""), ("169.253.255.255", ""), ("169.255.0.0", ""), ("fec0::", ""),
        ("fe7f::", ""), ("fe00::", ""), ("::2", ""), ("10.0.0.1", ""),
    ])
    func specialAddressesAreKnown(text: String, kind: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.isUnspecified == (kind == "unspecified"))
        #expect(address.isLoopback == (kind == "loopback"))
        #expect(address.isMulticast == (kind == "multicast"))
        #expect(address.isLinkLocalUnicast == (kind == "link"))
    }
}
