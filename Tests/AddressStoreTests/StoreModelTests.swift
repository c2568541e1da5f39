// SPDX-License-Identifier: Apache-2.0

import Addressing
import Foundation
import Support
import Testing

@testable import AddressStore

/// The store under random calls, compared with a few lines that know no files.
@Suite(.seeded) struct StoreModelTests {
    /// What the store must do, by the plainest of means.
    private struct Model {
        var holders: [IPAddress: Lease] = [:]
        var last: [Int: IPAddress] = [:]

        /// The addresses that are given, or why none are.
        mutating func allocate(
            _ requests: [AddressRequest],
            to lease: Lease
        ) -> Result<[IPAddress], StoreError.Kind.Failure> {
            var chosen: [IPAddress] = []
            for (number, request) in requests.enumerated() {
                switch choose(request, number, lease) {
                case .success(let address): chosen.append(address)
                case .failure(let failure): return .failure(failure)
                }
            }
            for (number, address) in chosen.enumerated() {
                holders[address] = lease
                last[number] = address
            }
            return .success(chosen)
        }

        private func choose(
            _ request: AddressRequest,
            _ number: Int,
            _ lease: Lease
        ) -> Result<IPAddress, StoreError.Kind.Failure> {
            let all = request.set.ranges.flatMap { range in
                (range.addresses.first.bits...range.addresses.last.bits).map {
                    (address: IPAddress(family: range.addresses.first.family, bits: $0), gateway: range.gateway)
                }
            }
            if let wanted = request.address {
                let isGateway = all.contains { $0.address == wanted && $0.gateway == wanted }
                return isGateway || holders[wanted] != nil ? .failure(.init(kind: .unavailable)) : .success(wanted)
            }
            if all.contains(where: { holders[$0.address] == lease }) { return .failure(.init(kind: .duplicate)) }
            let start = all.firstIndex { $0.address == last[number] }.map { $0 + 1 } ?? 0
            let free = (all[start...] + all[..<start]).first { $0.address != $0.gateway && holders[$0.address] == nil }
            return free.map { .success($0.address) } ?? .failure(.init(kind: .exhausted))
        }
    }

    /// The sets of the test: 13 addresses in two ranges, and 5 of the other family.
    private static func sets() throws -> [RangeSet] {
        [
            try rangeSet(
                "10.0.0.0/24",
                [("10.0.0.60", "10.0.0.68", "10.0.0.62"), ("10.0.0.100", "10.0.0.104", "10.0.0.1")]
            ),
            try rangeSet("fd00::/64", [("fd00::1", "fd00::6", "fd00::1")]),
        ]
    }

    @Test(arguments: 0..<8) func randomCallsDoWhatTheModelDoes(run: Int) throws {
        var generator = SeededGenerator("randomCallsDoWhatTheModelDoes\(run)")
        let folder = try StoreFolder()
        let sets = try Self.sets()
        var model = Model()
        for _ in 0..<400 {
            let owner = lease(
                "c\(Int.random(in: 0..<16, using: &generator))",
                "eth\(Int.random(in: 0..<2, using: &generator))"
            )
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<5:
                let all = sets.prefix(Int.random(in: 1...2, using: &generator))
                let requests = all.map { set in
                    let wants = Int.random(in: 0..<4, using: &generator) == 0
                    let range = set.ranges.randomElement(using: &generator)
                    let bits = range.map {
                        UInt128.random(in: $0.addresses.first.bits...$0.addresses.last.bits, using: &generator)
                    }
                    let family = range?.addresses.first.family ?? .v4
                    return AddressRequest(set, address: wants ? bits.map { IPAddress(family: family, bits: $0) } : nil)
                }
                let expected = model.allocate(requests, to: owner)
                do throws(StoreError) {
                    let given = try folder.allocate(requests, to: owner)
                    #expect(given == (try? expected.get().map { $0.description }))
                } catch {
                    #expect(throws: StoreError.Kind.Failure(kind: error.kind)) { try expected.get() }
                }
            case 5..<9:
                let expected = model.holders.filter { $0.value == owner }.keys
                for address in expected { model.holders[address] = nil }
                #expect(try folder.release(owner) == expected.map { $0.description }.sorted())
            default:
                var store = try folder.open()
                let isKept = { (held: Lease) in held.containerID != owner.containerID }
                let gone = model.holders.filter { !isKept($0.value) }.keys
                for address in gone { model.holders[address] = nil }
                let released = try store.release(unless: isKept)
                #expect(Set(released) == Set(gone))
            }
            for (number, address) in model.last {
                #expect(folder.read("last_reserved_ip.\(number)") == address.description)
            }
        }
        let files = model.holders.map { ($0.key.description, String(decoding: $0.value.content, as: UTF8.self)) }
        #expect(try folder.leases() == Dictionary(uniqueKeysWithValues: files))
        try folder.expectIndexMatchesFiles()
    }

    @Test func aThousandLeasesOutgrowTheIndexAndAreReleasedAgain() throws {
        let folder = try StoreFolder()
        let set = try rangeSet("10.0.0.0/20", [("10.0.0.2", "10.0.15.254", "10.0.0.1")])
        var store = try folder.open()
        let origin = Origin(boot: "first", netns: "/run/netns/x")
        for number in 0..<1000 {
            _ = try store.allocate([AddressRequest(set)], to: lease("c\(number)"), origin: origin)
        }
        for number in 0..<1000 where number % 3 != 0 { #expect(try store.release(lease("c\(number)")).count == 1) }
        for number in 1000..<1200 {
            _ = try store.allocate([AddressRequest(set)], to: lease("c\(number)"), origin: origin)
        }
        for number in 0..<1200 {
            let isHeld = number >= 1000 || number % 3 == 0
            #expect(try store.addresses(of: lease("c\(number)")).count == (isHeld ? 1 : 0))
        }
        #expect(try folder.leases().count == 534)
    }

    @Test func networksOfOneDataDirectoryKnowNothingOfEachOther() throws {
        let folder = try StoreFolder()
        let request = [AddressRequest(try Self.sets()[0])]
        try folder.allocate(request, to: lease("c"))
        do {
            var other = try AddressStore.open(dataDir: folder.dataDir, network: "other", boot: "first")
            let given = try other.allocate(request, to: lease("c"), origin: Origin(boot: "first", netns: ""))
            #expect(given.map { $0.description } == ["10.0.0.60"])
        }
        #expect(try folder.release(lease("c")) == ["10.0.0.60"])
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.dataDir).sorted()
        #expect(names == [".index", StoreFolder.network, "other"])
    }
}

extension StoreError.Kind {
    /// A kind of failure that can be thrown and compared.
    struct Failure: Error, Equatable {
        let kind: StoreError.Kind
    }
}
