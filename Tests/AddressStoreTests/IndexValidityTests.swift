// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Support
import Testing

@testable import AddressStore

/// What somebody else does to the directory or the index is always noticed.
@Suite(.seeded) struct IndexValidityTests {
    private let folder: StoreFolder
    private let pool: RangeSet

    init() throws {
        folder = try StoreFolder()
        pool = try rangeSet("10.0.0.0/24", [("10.0.0.2", "10.0.0.200", "10.0.0.1")])
        for number in 0..<5 { try folder.allocate([AddressRequest(pool)], to: lease("first\(number)")) }
    }

    /// Makes a change many times, each right after one of ours so that both fall into one tick of the clock.
    private func expectNoticed(times: Int = 25, _ change: (Int) throws -> Void) throws {
        for number in 0..<times {
            try folder.allocate([AddressRequest(pool)], to: lease("c\(number)"))
            try change(number)
            try folder.expectIndexMatchesFiles()
            try folder.release(lease("c\(number)"))
        }
        try folder.expectIndexMatchesFiles()
    }

    @Test func aFileThatIsAddedIsNoticed() throws {
        try expectNoticed { try folder.write("foreign\($0)\r\neth0", to: "10.0.0.\(201 + $0)") }
        #expect(try folder.release(lease("foreign7")) == ["10.0.0.208"])
    }

    @Test func aFileThatIsRemovedIsNoticed() throws {
        try expectNoticed { number in
            for (name, content) in try folder.leases() where content == "c\(number)\r\neth0" { try folder.remove(name) }
        }
        #expect(try folder.leases().count == 5)
    }

    @Test func aFileThatIsRenamedIsNoticed() throws {
        try expectNoticed { number in
            let found = try folder.leases().first { $0.value == "c\(number)\r\neth0" }?.key
            let name = try #require(found)
            #expect(rename("\(folder.path)/\(name)", "\(folder.path)/10.0.0.\(201 + number)") == 0)
        }
    }

    @Test func aFileThatReplacesAnotherIsNoticed() throws {
        try expectNoticed { number in
            try folder.write("new\(number)\r\neth0", to: "temporary")
            #expect(rename("\(folder.path)/temporary", "\(folder.path)/10.0.0.2") == 0)
        }
        #expect(try folder.release(lease("new24")) == ["10.0.0.2"])
    }

    @Test func aDirectoryInThePlaceOfTheOldOneIsNoticed() throws {
        let old = "\(folder.dataDir)/old"
        try expectNoticed(times: 5) { number in
            #expect(rename(folder.path, old) == 0)
            try folder.write("restored\(number)\r\neth0", to: "10.0.0.\(100 + number)")
            try FileManager.default.removeItem(atPath: old)
        }
        #expect(try folder.leases().keys.sorted() == ["10.0.0.104"])
    }

    @Test func aDirectoryThatWasCopiedWithItsTimesIsNoticed() throws {
        try expectNoticed(times: 5) { number in
            var status = stat()
            #expect(stat(folder.path, &status) == 0)
            try FileManager.default.copyItem(atPath: folder.path, toPath: "\(folder.dataDir)/copy")
            try FileManager.default.removeItem(atPath: folder.path)
            #expect(rename("\(folder.dataDir)/copy", folder.path) == 0)
            try folder.write("c\(number)\r\neth0", to: "10.0.0.222")
            try folder.remove("10.0.0.2")
            #expect(utimensat(AT_FDCWD, folder.path, [status.st_atim, status.st_mtim], 0) == 0)
            try folder.allocate([AddressRequest(pool)], to: lease("d\(number)"))
            try folder.release(lease("d\(number)"))
            try folder.write("first0\r\neth0", to: "10.0.0.2")
        }
    }

    @Test func anIndexThatIsDeletedIsMadeAnew() throws {
        try expectNoticed(times: 5) { _ in try FileManager.default.removeItem(atPath: folder.indexPath) }
        try expectNoticed(times: 5) { _ in try FileManager.default.removeItem(atPath: "\(folder.dataDir)/.index") }
    }

    @Test func anIndexThatIsCutShortOrTooLongIsMadeAnew() throws {
        var generator = SeededGenerator("anIndexThatIsCutShortOrTooLongIsMadeAnew")
        try expectNoticed { number in
            let whole = try Data(contentsOf: URL(fileURLWithPath: folder.indexPath))
            let size = number == 0 ? 0 : Int.random(in: 0...(whole.count + 5000), using: &generator)
            #expect(truncate(folder.indexPath, size) == 0)
        }
    }

    @Test func anIndexOfGarbageIsMadeAnew() throws {
        var generator = SeededGenerator("anIndexOfGarbageIsMadeAnew")
        try expectNoticed { number in
            let whole = try Data(contentsOf: URL(fileURLWithPath: folder.indexPath))
            // Pure noise, zeros, or noise behind a header that is right but for its time.
            var garbage = Data(
                number % 3 == 1 ? [UInt8](repeating: 0, count: whole.count) : generator.bytes(whole.count)
            )
            if number % 3 == 2 {
                garbage.replaceSubrange(0..<48, with: whole.prefix(48))
                garbage.replaceSubrange(64..<72, with: whole[64..<72])
            }
            try garbage.write(to: URL(fileURLWithPath: folder.indexPath))
        }
    }

    @Test func anIndexOfAnotherNetworkIsMadeAnew() throws {
        let other = try AddressStore.open(dataDir: folder.dataDir, network: "other", boot: "first")
        _ = consume other
        try expectNoticed(times: 5) { _ in
            try FileManager.default.removeItem(atPath: folder.indexPath)
            try FileManager.default.copyItem(atPath: "\(folder.dataDir)/.index/other", toPath: folder.indexPath)
        }
    }

    @Test func anIndexOfAnotherBootIsMadeAnew() throws {
        // What a loss of power leaves: a header as it was, and slots that never reached the disk.
        try folder.allocate([AddressRequest(pool)], to: lease("last"))
        let size = try Data(contentsOf: URL(fileURLWithPath: folder.indexPath)).count
        let file = try #require(FileHandle(forUpdatingAtPath: folder.indexPath))
        try file.seek(toOffset: 256)
        try file.write(contentsOf: Data(count: size - 256))
        try file.close()
        try folder.expectIndexMatchesFiles(boot: "second")
        #expect(try folder.allocate([AddressRequest(pool)], to: lease("next"), boot: "second") == ["10.0.0.8"])
    }

    @Test func anIndexThatCannotBeWrittenIsReplaced() throws {
        try expectNoticed(times: 3) { _ in #expect(chmod(folder.indexPath, 0o400) == 0) }
        // Even root cannot write to what is not a file.
        try expectNoticed(times: 3) { _ in
            #expect(unlink(folder.indexPath) == 0)
            #expect(symlink("/proc/version", folder.indexPath) == 0)
        }
    }
}
