// SPDX-License-Identifier: Apache-2.0

import Addressing
import Testing

/// Ranges, their ends and their sizes.
@Suite struct AddressRangeTests {
    /// An address that the test has spelled well.
    private static func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    /// A range of two texts.
    private static func range(_ first: String, _ last: String) throws -> AddressRange {
        let first = try address(first)
        let last = try address(last)
        return try #require(AddressRange(first: first, last: last))
    }

    @Test(arguments: [("10.0.0.2", "10.0.0.1"), ("10.0.0.1", "::ff"), ("::1", "10.0.0.1")])
    func endsInTheWrongOrderOrFamilyAreRefused(first: String, last: String) throws {
        #expect(try AddressRange(first: Self.address(first), last: Self.address(last)) == nil)
    }

    @Test(
        arguments: [
            ("10.0.0.1", "10.0.0.1", 1), ("10.0.0.0", "10.0.0.255", 256), ("0.0.0.0", "255.255.255.255", 1 << 32),
            ("fd00::", "fd00::ffff:ffff:ffff:ffff", 1 << 64), ("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", .max),
            ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", .max),
        ] as [(String, String, UInt128)]
    )
    func bothEndsAreCounted(first: String, last: String, count: UInt128) throws {
        #expect(try Self.range(first, last).count == count)
    }

    @Test func bothEndsAndWhatIsBetweenAreContained() throws {
        let range = try Self.range("10.0.0.5", "10.0.1.5")
        for text in ["10.0.0.5", "10.0.0.255", "10.0.1.5"] { #expect(try range.contains(Self.address(text))) }
        for text in ["10.0.0.4", "10.0.1.6", "::a00:5"] { #expect(try !range.contains(Self.address(text))) }
        #expect(range.description == "10.0.0.5-10.0.1.5")
    }

    @Test(arguments: [
        ("10.0.0.1", "10.0.0.5", "10.0.0.5", "10.0.0.9", true), ("10.0.0.1", "10.0.0.4", "10.0.0.5", "10.0.0.9", false),
        ("10.0.0.1", "10.0.0.9", "10.0.0.3", "10.0.0.4", true),
        ("10.0.0.1", "10.0.0.9", "::", "::9:ffff:ffff:ffff", false),
        ("::1", "::5", "::2", "::9", true),
    ])
    func rangesOverlapWhereTheyShareAnAddress(
        first: String,
        last: String,
        otherFirst: String,
        otherLast: String,
        overlaps: Bool
    ) throws {
        let range = try Self.range(first, last)
        let other = try Self.range(otherFirst, otherLast)
        #expect(range.overlaps(other) == overlaps)
        #expect(other.overlaps(range) == overlaps)
    }
}
