// SPDX-License-Identifier: Apache-2.0

import Addressing
import Testing

/// Hardware addresses as text and bytes.
@Suite struct MACAddressTests {
    @Test(arguments: [
        "02:00:5e:10:aB:ff", "02-00-5E-10-AB-FF", "0200.5e10.abff", "0200.5E10.ABFF", "02:00:5E:10:AB:FF",
    ])
    func everySpellingIsTheSameAddress(text: String) throws {
        let address = try #require(MACAddress(text))
        #expect(address.description == "02:00:5e:10:ab:ff")
        #expect(address.bytes == [0x02, 0x00, 0x5E, 0x10, 0xAB, 0xFF])
        #expect(MACAddress(bytes: address.bytes) == address)
    }

    @Test(arguments: [
        "", "02:00:5e:10:ab", "02:00:5e:10:ab:ff:00", "02:00:5e-10:ab:ff", "02005e10abff", "2:0:5e:10:ab:ff",
        "02:00:5e:10:ab:fg",
        "02 00 5e 10 ab ff", "02.00.5e.10.ab.ff", "0200:5e10:abff", "0200-5e10-abff", "0200.5e10:abff",
        "02:00:5e:10:ab:f:",
        ":02:00:5e:10:ab:f", "02:00:5e:10:ab:ff ", "02:00:5e:10:ab:é", "00:00:00:00:fe:80:00:00",
    ])
    func whatIsNoAddressIsRefused(text: String) {
        #expect(MACAddress(text) == nil)
    }

    @Test(arguments: [0, 5, 7, 8])
    func otherNumbersOfBytesAreRefused(count: Int) {
        #expect(MACAddress(bytes: [UInt8](repeating: 0, count: count)) == nil)
    }

    @Test func groupsAndNothingAreKnown() {
        #expect(MACAddress("ff:ff:ff:ff:ff:ff")?.isMulticast == true)
        #expect(MACAddress("01:00:5e:00:00:01")?.isMulticast == true)
        #expect(MACAddress("02:00:00:00:00:01")?.isMulticast == false)
        #expect(MACAddress("00:00:00:00:00:00")?.isZero == true)
        #expect(MACAddress("00:00:00:00:00:01")?.isZero == false)
    }

    @Test(
        arguments: [
            (0, "02:00:00:00:00:00"), (.max, "fe:ff:ff:ff:ff:ff"), (0xFFFF_0123_4567_89AB, "02:23:45:67:89:ab"),
            (0x0100_0000_0000, "02:00:00:00:00:00"),
        ] as [(UInt64, String)]
    )
    func aMadeUpAddressIsLocalAndNoGroup(entropy: UInt64, text: String) {
        let address = MACAddress.locallyAdministered(entropy)
        #expect(address.description == text)
        #expect(!address.isMulticast)
        #expect(address.bytes[0] & 2 == 2)
    }
}
