// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

@testable import AddressStore

/// The content of the files, in all forms that are in circulation.
@Suite(.seeded) struct LeaseTests {
    private let folder: StoreFolder
    private let pool: AddressRequest

    init() throws {
        folder = try StoreFolder()
        pool = AddressRequest(try rangeSet("10.0.0.0/24", [("10.0.0.2", "10.0.0.9", "10.0.0.1")]))
    }

    @Test(arguments: [
        "c1\r\neth0", "c1\r\neth0\n", "c1\r\neth0\r\n", " c1 \r\n eth0 ", "\tc1\t\r\n\teth0\t", "c1\neth0",
        "\r\n c1\r\neth0",
    ])
    func aLeaseIsReadWithBlanksAndAnyLineEnds(content: String) {
        #expect(Lease(content: Array(content.utf8)) == lease("c1"))
    }

    @Test(arguments: ["c1", "c1\n", " c1 ", "c1\r\n", "\n\tc1 \r\n"])
    func aLeaseOfTheOldFormNamesOnlyTheContainer(content: String) {
        #expect(Lease(content: Array(content.utf8)) == Lease(oldForm: "c1"))
    }

    @Test(arguments: ["", " ", "\n", "\r\n \t\r\n", "\0\0\0\0", "\0\0\r\n\0"])
    func whatACrashLeavesIsNoLease(content: String) { #expect(Lease(content: Array(content.utf8)) == nil) }

    @Test func whatIsWrittenIsReadBack() {
        var generator = SeededGenerator("whatIsWrittenIsReadBack")
        let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789_.-")
        for _ in 0..<500 {
            let id = String(
                (0..<Int.random(in: 1...80, using: &generator)).map { _ in
                    letters[Int.random(in: 0..<39, using: &generator)]
                }
            )
            let name = String(id.reversed().prefix(15))
            #expect(Lease(content: lease(id, name).content) == lease(id, name))
            #expect(lease(id, name).key != Lease(oldForm: id).key)
        }
    }

    @Test func theFileHoldsExactlyTheReferencesBytes() throws {
        try folder.allocate([pool], to: lease("c1"))
        #expect(folder.read("10.0.0.2") == "c1\r\neth0")
        #expect(folder.read("last_reserved_ip.0") == "10.0.0.2")
        #expect(folder.read("lock")?.isEmpty == true)
    }

    @Test(arguments: ["", "\n", "\0\0\0\0\0\0\0\0"]) func anEmptyFileIsClearedAwayWhenItIsMet(content: String) throws {
        try folder.write(content, to: "10.0.0.2")
        try folder.write(content, to: "10.0.0.7")
        #expect(try folder.allocate([pool], to: lease("c1")) == ["10.0.0.2"])
        #expect(folder.read("10.0.0.7") == nil)
    }

    @Test(arguments: ["old", "old\n", " old ", "old\r\n"]) func anOldLeaseIsHonouredAndReleased(content: String) throws
    {
        try folder.write(content, to: "10.0.0.2")
        #expect(try folder.allocate([pool], to: lease("c1")) == ["10.0.0.3"])
        #expect(try folder.open().addresses(of: lease("old")).map { $0.description } == ["10.0.0.2"])
        #expect(
            failure { () throws(StoreError) in _ = try folder.allocate([pool], to: lease("old")) }?.kind == .duplicate
        )
        #expect(try folder.release(lease("old", "net7")) == ["10.0.0.2"])
        #expect(folder.read("10.0.0.2") == nil)
    }

    @Test func anOldLeaseIsReleasedOnlyIfThereIsNoneOfTheNewForm() throws {
        try folder.write("both", to: "10.0.0.2")
        try folder.write("both\r\neth0", to: "10.0.0.5")
        #expect(try folder.release(lease("both")) == ["10.0.0.5"])
        #expect(folder.read("10.0.0.2") == "both")
        #expect(try folder.release(lease("both")) == ["10.0.0.2"])
        #expect(try folder.release(lease("both")).isEmpty)
    }

    @Test func filesWithOtherNamesAreNobodysLeases() throws {
        for name in ["notes", "10.0.0.300", "010.0.0.2", "10.0.0.2.bak", "last_reserved_ip.1"] {
            try folder.write("c1\r\neth0", to: name)
        }
        #expect(try folder.release(lease("c1")).isEmpty)
        #expect(try folder.allocate([pool], to: lease("c1")) == ["10.0.0.2"])
        try folder.expectIndexMatchesFiles()
    }
}
