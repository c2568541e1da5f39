// SPDX-License-Identifier: Apache-2.0

import Addressing
import Support
import Testing

@testable import AddressStore

/// The choice of the next address, compared with one that looks at every address in turn.
@Suite(.seeded) struct RangeSetTests {
    /// The next address by the plainest of means.
    private static func naiveNext(_ set: RangeSet, after last: IPAddress?, taken: Set<IPAddress>) -> IPAddress? {
        var all: [(address: IPAddress, isGateway: Bool)] = []
        for range in set.ranges {
            var here: IPAddress? = range.addresses.first
            while let address = here {
                all.append((address, address == range.gateway))
                here = address == range.addresses.last ? nil : address.successor
            }
        }
        let start = all.firstIndex { $0.address == last }.map { $0 + 1 } ?? 0
        return (all[start...] + all[..<start]).first { !$0.isGateway && !taken.contains($0.address) }?.address
    }

    /// The first address of a stretch that is not taken.
    private static func firstFree(_ stretch: AddressRange, _ taken: Set<IPAddress>) -> IPAddress? {
        var here: IPAddress? = stretch.first
        while let address = here, stretch.contains(address) {
            if !taken.contains(address) { return address }
            here = address.successor
        }
        return nil
    }

    /// A set of up to four small ranges around a place, apart from each other and in any order.
    private static func randomSet(
        _ family: IPAddress.Family,
        around base: UInt128,
        _ generator: inout SeededGenerator
    ) throws -> RangeSet {
        let last: UInt128 = family == .v4 ? UInt128(UInt32.max) : .max
        let subnet = try #require(Prefix(family == .v4 ? "0.0.0.0/0" : "::/0"))
        var (ranges, start): ([RangeSet.Range], UInt128) = ([], base)
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            start += min(last - start, UInt128(Int.random(in: 0...3, using: &generator)))
            let end = start + min(last - start, UInt128(Int.random(in: 0...9, using: &generator)))
            let addresses = try #require(
                AddressRange(first: IPAddress(family: family, bits: start), last: IPAddress(family: family, bits: end))
            )
            // In its range, in the next one, or in none.
            let distance = min(last - start, UInt128(Int.random(in: 0...14, using: &generator)))
            let gateway = IPAddress(family: family, bits: start + distance)
            ranges.append(RangeSet.Range(addresses: addresses, subnet: subnet, gateway: gateway))
            if end == last { break }
            start = end + 1
        }
        return RangeSet(ranges.shuffled(using: &generator))
    }

    @Test(arguments: [IPAddress.Family.v4, .v6]) func theNextAddressIsThatOfTheNaiveModel(
        family: IPAddress.Family
    ) throws {
        var generator = SeededGenerator("theNextAddressIsThatOfTheNaiveModel\(family.rawValue)")
        let last: UInt128 = family == .v4 ? UInt128(UInt32.max) : .max
        let bases: [UInt128] = [0, 60, 0x0a00_0000, last - 12, last - 40]
        for _ in 0..<4000 {
            let base = bases.randomElement(using: &generator) ?? 0
            let set = try Self.randomSet(family, around: base, &generator)
            let near = { (generator: inout SeededGenerator) -> IPAddress in
                let distance = min(last - base, UInt128(Int.random(in: 0...50, using: &generator)))
                return IPAddress(family: family, bits: base + distance)
            }
            let share = Int.random(in: 0...60, using: &generator)
            let taken = Set((0..<share).map { _ in near(&generator) })
            let reserved = Int.random(in: 0...5, using: &generator) == 0 ? nil : near(&generator)
            let next = set.next(after: reserved) { Self.firstFree($0, taken) }
            let expected = Self.naiveNext(set, after: reserved, taken: taken)
            #expect(next == expected, "\(set.description) after \(reserved?.description ?? "nothing"), \(taken)")
        }
    }

    @Test func anAddressOfTheOtherFamilyIsNotThePlaceToGoOn() throws {
        let set = try rangeSet("10.0.0.0/24", [("10.0.0.2", "10.0.0.5", "10.0.0.1")])
        let next = set.next(after: try address("::a00:3")) { $0.first }
        #expect(next?.description == "10.0.0.2")
    }

    @Test func aGatewayIsSkippedOnlyInItsOwnRange() throws {
        let set = try rangeSet(
            "10.0.0.0/24",
            [("10.0.0.2", "10.0.0.2", "10.0.0.9"), ("10.0.0.9", "10.0.0.9", "10.0.0.1")]
        )
        let next = set.next(after: try address("10.0.0.2")) { $0.first }
        #expect(next?.description == "10.0.0.9")
        #expect(set.count == 2)
    }

    @Test func theCountLeavesOutGatewaysInTheirOwnRangeAndDoesNotOverflow() throws {
        let set = try rangeSet(
            "10.0.0.0/24",
            [("10.0.0.1", "10.0.0.10", "10.0.0.1"), ("10.0.0.20", "10.0.0.20", "10.0.0.1")]
        )
        #expect(set.count == 10)
        let all = try rangeSet(
            "::/0",
            [("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "1::"), ("::", "::ff", "1::")]
        )
        #expect(all.count == .max)
    }

    @Test func aRangeOfNothingButItsGatewayHasNoAddress() throws {
        let set = try rangeSet("10.0.0.0/24", [("10.0.0.1", "10.0.0.1", "10.0.0.1")])
        let next = set.next(after: nil) { $0.first }
        #expect(next == nil)
        #expect(set.count == 0)
    }
}
