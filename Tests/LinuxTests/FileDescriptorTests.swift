// SPDX-License-Identifier: Apache-2.0

import CLinux
import Foundation
import Glibc
import Linux
import Support
import Testing

/// Descriptors and what is done through them.
@Suite struct FileDescriptorTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func open() throws -> FileDescriptor { try FileDescriptor.open(directory.path, [.read, .directory]) }

    @Test func aDescriptorClosesItself() throws {
        let path = try directory.write("x", to: "file")
        func number() throws -> CInt { try FileDescriptor.open(path).rawValue }
        // Another test may get the number meanwhile, but not for this file.
        let closed = try number()
        let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(closed)")
        #expect(target != path)
    }

    @Test func programsDoNotInheritDescriptors() throws {
        let file = try FileDescriptor.open(try directory.write("x", to: "file"))
        #expect(fcntl(file.rawValue, F_GETFD) & FD_CLOEXEC != 0)
        #expect(fcntl(try FileDescriptor.memory(holding: []).rawValue, F_GETFD) & FD_CLOEXEC != 0)
    }

    @Test(arguments: [0, 1, 8191, 8192, 8193, 16384, 16385, 200_000])
    func allThatWasWrittenIsRead(count: Int) throws {
        var generator = SeededGenerator("allThatWasWrittenIsRead")
        let bytes = generator.bytes(count)
        let path = directory.path("file")
        try FileDescriptor.open(path, [.write, .create, .exclusive]).writeAll(bytes)
        #expect(try FileDescriptor.open(path).readAll() == bytes)
        #expect(try FileDescriptor.memory(holding: bytes).readAll() == bytes)
    }

    @Test func aPipeIsReadToItsEndHoweverItComes() throws {
        var ends: [CInt] = [-1, -1]
        try #require(linux_pipe(&ends) == 0)
        let writer = ends[1]
        let thread = BackgroundThread {
            for _ in 0..<50 {
                _ = write(writer, "0123456789", 10)
                usleep(200)
            }
            close(writer)
        }
        let reader = FileDescriptor(owning: ends[0])
        #expect(try reader.readAll().count == 500)
        thread.join()
    }

    @Test func modesDoWhatTheySay() throws {
        let path = try directory.write("old", to: "file")
        #expect(throws: Errno.fileExists) { try Self.use(path, [.write, .create, .exclusive]) }
        #expect(throws: Errno.noSuchFile) { try Self.use(directory.path("missing"), .read) }
        #expect(throws: Errno.notDirectory) { try Self.use(path, [.read, .directory]) }
        try FileDescriptor.open(path, [.write, .append]).writeAll(Array("+".utf8))
        #expect(try text(path) == "old+")
        try FileDescriptor.open(path, [.write, .truncate]).writeAll(Array("n".utf8))
        #expect(try text(path) == "n")
        try FileManager.default.createSymbolicLink(atPath: directory.path("link"), withDestinationPath: path)
        #expect(throws: Errno(ELOOP)) { try Self.use(directory.path("link"), [.read, .noFollow]) }
    }

    private static func use(_ path: String, _ mode: FileDescriptor.Mode) throws(Errno) {
        _ = try FileDescriptor.open(path, mode).rawValue
    }

    private func text(_ path: String) throws -> String {
        String(decoding: try FileDescriptor.open(path).readAll(), as: UTF8.self)
    }

    @Test func permissionsAreThoseAskedFor() throws {
        _ = try FileDescriptor.open(directory.path("private"), [.write, .create], permissions: 0o600).rawValue
        #expect(try FileTree.text(directory.path).contains("600 ./private 0 bytes"))
    }

    @Test func statusTellsSizeKindAndTime() throws {
        try directory.write("12345", to: "file")
        let file = try FileDescriptor.open(directory.path("file"), [.write])
        let time = FileTime(seconds: 1_000_000_007, nanoseconds: 123_456_789)
        try file.setModified(time)
        let status = try #require(try open().status(of: "file"))
        #expect(status.size == 5)
        #expect(status.isRegular)
        #expect(!status.isDirectory)
        #expect(status.modified == time)
        #expect(try file.status().inode == status.inode)
        #expect(try FileStatus.of(directory.path)?.isDirectory == true)
    }

    @Test(arguments: ["missing", "missing/below", "file/below"])
    func statusOfNothingIsNothing(name: String) throws {
        try directory.write("", to: "file")
        #expect(try open().status(of: name)?.size == nil)
        #expect(try FileStatus.of(directory.path(name))?.size == nil)
    }

    @Test func namesAreListedWithoutTheDotsAndMoreThanOnce() throws {
        let names = Set((0..<300).map { "file \($0)" })
        for name in names { try directory.write("", to: name) }
        let opened = try open()
        for _ in 0..<2 { #expect(Set(try opened.names()) == names) }
    }

    @Test func allocationGivesTheFileItsSize() throws {
        let file = try FileDescriptor.open(directory.path("file"), [.read, .write, .create])
        try file.allocate(5000)
        #expect(try file.status().size == 5000)
        #expect(throws: Errno.badDescriptor) {
            try FileDescriptor.open(directory.path("file")).allocate(1)
        }
    }

    @Test func writingToAFullDeviceIsAnError() throws {
        let full = try FileDescriptor.open("/dev/full", .write)
        let number = full.rawValue
        #expect(number >= 0)
        #expect(throws: Errno(ENOSPC)) {
            try FileDescriptor.open("/dev/full", .write).writeAll([1])
        }
    }

    @Test func errorsHaveNamesAndSentences() {
        #expect(Errno.noSuchFile.name == "ENOENT")
        #expect(Errno.noSuchFile.description == "ENOENT: No such file or directory")
        #expect(Errno(4095).description == "E?: unknown error")
        #expect(Errno.wouldBlock == Errno(EAGAIN))
        #expect(Errno.timedOut == Errno(ETIMEDOUT))
        #expect(Errno.addressNotAvailable == Errno(EADDRNOTAVAIL))
    }
}
