// SPDX-License-Identifier: Apache-2.0

import Addressing
import Foundation
import Linux
import Support
import Testing

@testable import AddressStore

/// The index as a data structure, compared with a dictionary.
@Suite(.seeded) struct LeaseIndexTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func makeIndex(capacity: Int = 64) throws -> LeaseIndex {
        let file = try FileDescriptor.open(directory.path("index"), [.read, .write, .create, .truncate])
        let size = LeaseIndex.size(capacity: capacity)
        try file.allocate(size)
        return LeaseIndex(fresh: try MappedFile.map(file, size: size), capacity: capacity)
    }

    /// Takes over what a file holds, as the store does.
    private func existing(_ bytes: Data) throws -> Bool {
        let path = directory.path("existing")
        try bytes.write(to: URL(fileURLWithPath: path))
        let file = try FileDescriptor.open(path, [.read, .write])
        let index = LeaseIndex(existing: try MappedFile.map(file, size: bytes.count))
        return index != nil
    }

    /// What the index must know of an address.
    private struct Known: Equatable {
        let key: UInt64
        let boot: UInt64
        let netns: String
    }

    private static func known(_ index: borrowing LeaseIndex) -> [IPAddress: Known] {
        var all: [IPAddress: Known] = [:]
        index.forEach { all[$0.address] = Known(key: $0.key, boot: $0.boot, netns: $0.netns) }
        return all
    }

    /// An address of a dense stretch, of its end, or of a wide space, in both families.
    private static func randomAddress(_ generator: inout SeededGenerator) -> IPAddress {
        let family: IPAddress.Family = Bool.random(using: &generator) ? .v4 : .v6
        let last: UInt128 = family == .v4 ? UInt128(UInt32.max) : .max
        let near = UInt128(UInt16.random(in: 0..<20_000, using: &generator))
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: return IPAddress(family: family, bits: last - near)
        case 1: return IPAddress(family: family, bits: UInt128(generator.next()) << 64 % last & last)
        default: return IPAddress(family: family, bits: 0x0a00_0000 + near)
        }
    }

    @Test func aHundredThousandRandomChangesAreThoseOfADictionary() throws {
        var generator = SeededGenerator("aHundredThousandRandomChangesAreThoseOfADictionary")
        let cache = try FileDescriptor.open(directory.path, [.read, .directory])
        var index = try makeIndex()
        var model: [IPAddress: Known] = [:]
        var present: [IPAddress] = []
        for round in 0..<100_000 {
            // Times of growth and of decline, so that there are many slots that were used.
            let grows = Int.random(in: 0..<10, using: &generator) < (round / 20_000 % 2 == 0 ? 7 : 3)
            let address = Self.randomAddress(&generator)
            if grows, model[address] == nil {
                // Few keys, so that many are equal.
                let key = UInt64.random(in: 2...5000, using: &generator) | 1 << 63
                let netns = String(repeating: "n", count: Int.random(in: 0...140, using: &generator))
                let lease = IndexedLease(key: key, address: address, boot: generator.next() % 3, netns: netns)
                if !index.hasRoom { index = try AddressStore.grownIndex(index, cache, "grown") }
                index.insert(lease)
                model[address] = Known(key: key, boot: lease.boot, netns: netns.utf8.count > 136 ? "" : netns)
                present.append(address)
            } else if let place = present.indices.randomElement(using: &generator) {
                present.swapAt(place, present.count - 1)
                if let gone = present.popLast(), let known = model.removeValue(forKey: gone) {
                    index.remove(known.key, gone)
                }
            }
            // Of a lease that is not there, nothing happens.
            if model[address] == nil { index.remove(generator.next() | 1 << 63, address) }
            if round % 10_000 == 9_999 { #expect(Self.known(index) == model) }
        }
        #expect(model.count > 1000)
        let byKey = Dictionary(grouping: model.keys) { model[$0]?.key ?? 0 }
        for (key, addresses) in byKey { #expect(Set(index.leases(key).map { $0.address }) == Set(addresses)) }
        for _ in 0..<20_000 {
            let first = Self.randomAddress(&generator)
            let stretch = AddressRange(first: first, last: first)
            let isFree = stretch.flatMap { index.firstFree(in: $0) } == first
            #expect(isFree == (model[first] == nil), "\(first.description)")
        }
    }

    @Test func theFirstFreeAddressOfAStretchIsFoundAcrossWords() throws {
        var generator = SeededGenerator("theFirstFreeAddressOfAStretchIsFoundAcrossWords")
        let top: UInt128 = .max - 700
        for (family, base) in [(IPAddress.Family.v4, 0x0a00_0000), (.v6, 0x0a00_0000), (.v6, top), (.v4, 0xffff_fd00)] {
            let index = try makeIndex(capacity: 2048)
            var taken: Set<UInt128> = []
            for _ in 0..<12 {
                let start = UInt128.random(in: 0..<600, using: &generator)
                for bits in start..<min(start + 100, 700) where taken.insert(bits).inserted {
                    index.insert(
                        IndexedLease(
                            key: 1 << 63,
                            address: IPAddress(family: family, bits: base + bits),
                            boot: 0,
                            netns: ""
                        )
                    )
                }
            }
            for _ in 0..<500 {
                let ends = [UInt128.random(in: 0..<701, using: &generator), .random(in: 0..<701, using: &generator)]
                    .sorted()
                let stretch = try #require(
                    AddressRange(
                        first: IPAddress(family: family, bits: base + ends[0]),
                        last: IPAddress(family: family, bits: base + ends[1])
                    )
                )
                let expected = (ends[0]...ends[1]).first { !taken.contains($0) }.map { base + $0 }
                let found = index.firstFree(in: stretch)?.bits
                #expect(found == expected)
            }
        }
    }

    @Test func aTornSlotIsNoLease() throws {
        var generator = SeededGenerator("aTornSlotIsNoLease")
        for _ in 0..<300 {
            let index = try makeIndex()
            let key = generator.next() | 1 << 63
            let (one, two) = (try address("10.0.0.1"), try address("fd00::2"))
            index.insert(IndexedLease(key: key, address: one, boot: 7, netns: "/run/netns/one"))
            index.insert(IndexedLease(key: key, address: two, boot: 7, netns: "/run/netns/two"))
            let slots = (0..<64).map { LeaseIndex.headerSize + $0 * LeaseIndex.slotSize }
            let offset = try #require(slots.first { index.file.load(UInt64.self, at: $0) == key })
            // Nothing is in the bytes from 48 to 56.
            let covered = Array(8..<48) + Array(56..<LeaseIndex.slotSize)
            let place = offset + (covered.randomElement(using: &generator) ?? 8)
            let byte = index.file.load(UInt8.self, at: place)
            index.file.store(byte ^ UInt8.random(in: 1...255, using: &generator), at: place)
            // Which of the two it was is a matter of order.
            let left = index.leases(key).map { $0.address }
            #expect(left.count == 1 && (left == [one] || left == [two]), "byte \(place - offset)")
            #expect(Self.known(index).count == 1)
        }
    }

    @Test func onlyAWholeIndexIsTakenOver() throws {
        let size = LeaseIndex.size(capacity: 64)
        do {
            let index = try makeIndex()
            index.insert(IndexedLease(key: 1 << 63, address: try address("10.0.0.1"), boot: 1, netns: ""))
        }
        let whole = try Data(contentsOf: URL(fileURLWithPath: directory.path("index")))
        #expect(whole.count == size)
        #expect(try existing(whole))
        for cut in [1, 8, 255, 256, size / 2, size - 1] { #expect(try !existing(whole.prefix(cut)), "\(cut) bytes") }
        #expect(try !existing(whole + Data(count: 1)))
        for (capacity, offset) in [(UInt64(65), 8), (0, 8), (32, 8), (.max, 8), (1 << 62, 8), (128, 8), (1, 0)] {
            var changed = whole
            withUnsafeBytes(of: capacity.littleEndian) { changed.replaceSubrange(offset..<(offset + 8), with: $0) }
            #expect(try !existing(changed), "\(capacity) at \(offset)")
        }
    }
}
