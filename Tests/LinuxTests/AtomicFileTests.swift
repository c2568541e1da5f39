// SPDX-License-Identifier: Apache-2.0

import Foundation
import Linux
import Support
import Testing

/// Names that appear and disappear in one step: link, rename and unlink.
@Suite struct AtomicFileTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func open(_ name: String = ".") throws -> FileDescriptor {
        try FileDescriptor.open(directory.path(name), [.read, .directory])
    }

    @Test func aLinkAppearsWithItsContentOrNotAtAll() throws {
        try directory.write("lease", to: "staging/new")
        try directory.write("taken", to: "leases/10.0.0.2")
        let (leases, staging) = ("leases", "staging")
        try link(staging, "new", leases, "10.0.0.1")
        #expect(try text("leases/10.0.0.1") == "lease")
        #expect(throws: Errno.fileExists) { try link(staging, "new", leases, "10.0.0.2") }
        #expect(try text("leases/10.0.0.2") == "taken")
        #expect(throws: Errno.noSuchFile) { try link(staging, "missing", leases, "10.0.0.3") }
    }

    private func link(_ from: String, _ name: String, _ to: String, _ newName: String) throws {
        let source = try open(from)
        let target = try open(to)
        try source.link(name, to: target, as: newName)
    }

    private func text(_ name: String) throws -> String {
        String(decoding: try FileDescriptor.open(directory.path(name)).readAll(), as: UTF8.self)
    }

    @Test func ofManyLinksToOneNameExactlyOneIsMade() throws {
        let directory = directory
        for index in 0..<8 { try directory.write("\(index)", to: "file \(index)") }
        let threads = (0..<8).map { index in
            BackgroundThread {
                guard let opened = try? FileDescriptor.open(directory.path, [.read, .directory]) else { return false }
                do { try opened.link("file \(index)", to: opened, as: "one") } catch { return false }
                return true
            }
        }
        let winners = threads.enumerated().filter { $0.element.join() }.map { "\($0.offset)" }
        #expect(winners == [try text("one")])
    }

    @Test func aRenameReplacesWhatWasThere() throws {
        try directory.write("new", to: "staged")
        try directory.write("old", to: "index")
        try rename("staged", "index")
        #expect(try text("index") == "new")
        #expect(try open().names() == ["index"])
        #expect(throws: Errno.noSuchFile) { try rename("staged", "index") }
    }

    private func rename(_ name: String, _ newName: String) throws {
        let opened = try open()
        try opened.rename(name, to: opened, as: newName)
    }

    @Test func aRenameReachesIntoAnotherDirectory() throws {
        try directory.write("new", to: "staging/file")
        try FileStatus.makeDirectories(directory.path("leases"))
        let source = try open("staging")
        let target = try open("leases")
        try source.rename("file", to: target, as: "10.0.0.1")
        #expect(try text("leases/10.0.0.1") == "new")
        #expect(try source.names() == [])
    }

    @Test func removingSaysWhetherThereWasSomething() throws {
        try directory.write("", to: "file")
        #expect(try open().remove("file"))
        #expect(try !open().remove("file"))
        try directory.write("", to: "full/file")
        #expect(throws: (any Error).self) { try open().remove("full") }
    }

    @Test func directoriesAreMadeWithThoseAboveThem() throws {
        let path = directory.path("a/b/c")
        try FileStatus.makeDirectories(path, permissions: 0o750)
        try FileStatus.makeDirectories(path)
        #expect(try FileTree.text(directory.path("a")) == "750 .//\n750 ./b/\n750 ./b/c/")
        try directory.write("", to: "file")
        #expect(throws: Errno.notDirectory) { try FileStatus.makeDirectories(directory.path("file/below")) }
    }

    @Test func directoriesMadeByManyAtOnceAreNoError() throws {
        let path = directory.path("x/y/z/w")
        let threads = (0..<8).map { _ in BackgroundThread { (try? FileStatus.makeDirectories(path)) != nil } }
        #expect(threads.map { $0.join() }.allSatisfy { $0 })
    }

    @Test func whatCannotBeWrittenIsKnownBefore() throws {
        #expect(FileStatus.isWritable(directory.path))
        #expect(!FileStatus.isWritable(directory.path("missing")))
    }
}
