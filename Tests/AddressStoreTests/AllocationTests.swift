// SPDX-License-Identifier: Apache-2.0

import Addressing
import Foundation
import Support
import Testing

@testable import AddressStore

/// What the store gives, refuses and takes back.
@Suite struct AllocationTests {
    private let folder: StoreFolder
    private let small: RangeSet
    private let six: RangeSet

    init() throws {
        folder = try StoreFolder()
        small = try rangeSet("10.0.0.0/29", [("10.0.0.1", "10.0.0.4", "10.0.0.1")])
        six = try rangeSet("fd00::/64", [("fd00::2", "fd00::3", "fd00::1")])
    }

    @Test func addressesGoRoundAndReleasedOnesComeLast() throws {
        let request = [AddressRequest(small)]
        #expect(try folder.allocate(request, to: lease("a")) == ["10.0.0.2"])
        try folder.release(lease("a"))
        #expect(try folder.allocate(request, to: lease("b")) == ["10.0.0.3"])
        #expect(try folder.allocate(request, to: lease("c")) == ["10.0.0.4"])
        #expect(try folder.allocate(request, to: lease("d")) == ["10.0.0.2"])
        try folder.release(lease("d"))
        #expect(try folder.allocate(request, to: lease("e")) == ["10.0.0.2"])
    }

    @Test func theNextAddressFollowsARequestedOne() throws {
        let request = AddressRequest(small, address: try address("10.0.0.3"))
        #expect(try folder.allocate([request], to: lease("a")) == ["10.0.0.3"])
        #expect(folder.read("last_reserved_ip.0") == "10.0.0.3")
        #expect(try folder.allocate([AddressRequest(small)], to: lease("b")) == ["10.0.0.4"])
    }

    @Test func anAttachmentGetsNoSecondAddress() throws {
        try folder.allocate([AddressRequest(small)], to: lease("a"))
        let error = failure { () throws(StoreError) in _ = try folder.allocate([AddressRequest(small)], to: lease("a"))
        }
        #expect(error?.kind == .duplicate)
        let text = "10.0.0.2 has been allocated to a, duplicate allocation is not allowed"
        #expect(error?.message == "failed to allocate for range 0: \(text)")
        #expect(try folder.allocate([AddressRequest(small)], to: lease("a", "eth1")) == ["10.0.0.3"])
        #expect(try folder.allocate([AddressRequest(six)], to: lease("a")) == ["fd00::2"])
    }

    @Test func requestedAddressesAreRefusedWithTheReferencesWords() throws {
        try folder.allocate([AddressRequest(small)], to: lease("a"))
        for (text, message) in [
            ("10.0.0.1", "failed to allocate for range 0: requested ip 10.0.0.1 is subnet's gateway"),
            (
                "10.0.0.2",
                "failed to allocate for range 0: requested IP address 10.0.0.2 is not available in range set "
                    + "10.0.0.1-10.0.0.4"
            ),
        ] {
            let request = AddressRequest(small, address: try address(text))
            let error = failure { () throws(StoreError) in _ = try folder.allocate([request], to: lease("b")) }
            #expect(error?.kind == .unavailable)
            #expect(error?.message == message)
        }
        #expect(folder.read("last_reserved_ip.0") == "10.0.0.2")
    }

    @Test func aFullSetIsExhaustedAndNothingOfTheOtherSetsIsTaken() throws {
        for id in ["a", "b"] { try folder.allocate([AddressRequest(small), AddressRequest(six)], to: lease(id)) }
        let before = try folder.leases()
        let error = failure { () throws(StoreError) in
            _ = try folder.allocate([AddressRequest(small), AddressRequest(six)], to: lease("c"))
        }
        #expect(error?.kind == .exhausted)
        #expect(
            error?.message == "failed to allocate for range 1: no IP addresses available in range set: fd00::2-fd00::3"
        )
        #expect(try folder.leases() == before)
        try folder.expectIndexMatchesFiles()
        #expect(try folder.allocate([AddressRequest(small)], to: lease("c")) == ["10.0.0.4"])
    }

    @Test func nothingOfTheFirstSetIsLeftWhenTheSecondCannotBeWritten() throws {
        // A directory that is not empty cannot be replaced by a file.
        try folder.allocate([AddressRequest(small)], to: lease("z"))
        let obstacle = "\(folder.path)/last_reserved_ip.1"
        try FileManager.default.createDirectory(atPath: "\(obstacle)/full", withIntermediateDirectories: true)
        let before = try folder.leases()
        let error = failure { () throws(StoreError) in
            let requests = [AddressRequest(small), AddressRequest(six, address: IPAddress("fd00::3"))]
            _ = try folder.allocate(requests, to: lease("a"))
        }
        #expect(error?.kind == .inputOutput)
        #expect(try folder.leases() == before)
        try FileManager.default.removeItem(atPath: obstacle)
        try folder.expectIndexMatchesFiles()
        #expect(
            try folder.allocate([AddressRequest(small), AddressRequest(six)], to: lease("a")) == [
                "10.0.0.4", "fd00::2",
            ]
        )
    }

    @Test func aFileThatNobodyAnnouncedIsNeverOverwritten() throws {
        try folder.allocate([AddressRequest(small)], to: lease("a"))
        var store = try folder.open()
        // Somebody who does not take the lock, right in the middle.
        try folder.write("foreign\r\neth0", to: "10.0.0.3")
        let origin = Origin(boot: "first", netns: "")
        let given = try store.allocate([AddressRequest(small), AddressRequest(six)], to: lease("b"), origin: origin)
        #expect(given.map { $0.description } == ["10.0.0.4", "fd00::2"])
        #expect(folder.read("10.0.0.3") == "foreign\r\neth0")
        #expect(try folder.leases().count == 4)
    }

    @Test func aFileThatWentWithoutTheLockIsFoundBeforeTheSetIsExhausted() throws {
        for id in ["a", "b"] { try folder.allocate([AddressRequest(small)], to: lease(id)) }
        do {
            var store = try folder.open()
            try folder.remove("10.0.0.2")
            // The change is covered by our own, so that the time of the directory cannot tell.
            _ = try store.allocate([AddressRequest(small)], to: lease("c"), origin: Origin(boot: "first", netns: ""))
        }
        #expect(try folder.hasFree(in: small))
        #expect(try folder.allocate([AddressRequest(small)], to: lease("d")) == ["10.0.0.2"])
    }

    @Test func lastReservedFilesOfAnySortAreSurvived() throws {
        for content in ["", "nonsense", "fd00::9", "10.9.9.9", "10.0.0.4\n", " 10.0.0.1 "] {
            try folder.write(content, to: "last_reserved_ip.0")
            #expect(try folder.allocate([AddressRequest(small)], to: lease("a")) == ["10.0.0.2"], "\(content)")
            try folder.release(lease("a"))
        }
        #expect(folder.read("last_reserved_ip.0") == "10.0.0.2")
    }

    @Test func aStoreIsNotMadeByLookingForIt() throws {
        let store = try AddressStore.openIfExists(dataDir: folder.dataDir, network: StoreFolder.network, boot: "first")
        let isMissing = store == nil
        #expect(isMissing)
        #expect(!FileManager.default.fileExists(atPath: folder.dataDir))
    }
}
