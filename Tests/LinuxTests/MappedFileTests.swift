// SPDX-License-Identifier: Apache-2.0

import Glibc
import Linux
import Support
import Testing

/// Files seen as memory, and their bounds.
@Suite struct MappedFileTests {
    private static func map(_ directory: TemporaryDirectory, size: Int = 64) throws -> MappedFile {
        let file = try FileDescriptor.open(directory.path("index"), [.read, .write, .create])
        try file.allocate(size)
        return try MappedFile.map(file, size: size)
    }

    @Test func whatIsStoredIsLoadedAndInTheFile() throws {
        let directory = try TemporaryDirectory()
        let mapped = try Self.map(directory)
        mapped.store(UInt32(0x0403_0201), at: 1)
        mapped.store(UInt64.max, at: 56)
        mapped.store([9, 8, 7], at: 61)
        mapped.store([], at: 64)
        #expect(mapped.load(UInt32.self, at: 1) == 0x0403_0201)
        #expect(mapped.bytes(at: 55, count: 9) == [0, 255, 255, 255, 255, 255, 9, 8, 7])
        #expect(mapped.bytes(at: 64, count: 0) == [])
        let file = try FileDescriptor.open(directory.path("index")).readAll()
        #expect(file == mapped.bytes(at: 0, count: 64))
        #expect(file.prefix(6) == [0, 1, 2, 3, 4, 0])
    }

    @Test func twoMappingsSeeEachOther() throws {
        let directory = try TemporaryDirectory()
        let first = try Self.map(directory)
        let second = try Self.map(directory)
        first.store(UInt16(77), at: 10)
        #expect(second.load(UInt16.self, at: 10) == 77)
    }

    @Test func whatCannotBeMappedIsAnError() throws {
        let directory = try TemporaryDirectory()
        try directory.write("", to: "file")
        #expect(throws: Errno.invalidArgument) {
            _ = try MappedFile.map(try FileDescriptor.open(directory.path("file"), [.read, .write]), size: 0).size
        }
        #expect(throws: Errno(13)) {
            _ = try MappedFile.map(try FileDescriptor.open(directory.path("file"), .read), size: 1).size
        }
    }

    /// A file without a name, which a process that traps cannot leave behind.
    private static func mapMemory() throws -> MappedFile {
        try MappedFile.map(try FileDescriptor.memory(holding: [UInt8](repeating: 0, count: 64)), size: 64)
    }

    // The signal is that of the trap itself (SIGILL), so that another failure is not taken for it.
    @Test(arguments: [-1, 61, 64, Int.max - 2])
    func loadingOutsideTraps(offset: Int) async {
        await #expect(processExitsWith: .signal(SIGILL)) { [offset] in
            print(try Self.mapMemory().load(UInt32.self, at: offset))
        }
    }

    @Test(arguments: [-1, 63, 64, Int.max - 8])
    func storingOutsideTraps(offset: Int) async {
        await #expect(processExitsWith: .signal(SIGILL)) { [offset] in
            try Self.mapMemory().store(UInt16(1), at: offset)
        }
    }

    @Test(arguments: [-1, 62, 65])
    func storingBytesOutsideTraps(offset: Int) async {
        await #expect(processExitsWith: .signal(SIGILL)) { [offset] in
            try Self.mapMemory().store([1, 2, 3], at: offset)
        }
    }

    @Test(arguments: [-1, 1, 65])
    func copyingBytesFromOutsideTraps(offset: Int) async {
        await #expect(processExitsWith: .signal(SIGILL)) { [offset] in
            print(try Self.mapMemory().bytes(at: offset, count: 64))
        }
    }
}
