// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import Linux
import Support
import Testing

/// Entering namespaces and coming back.
@Suite(.ownNetworkNamespace) struct NetworkNamespaceTests {
    private struct Refusal: SystemFailure {
        let errno: Errno?
        init(_ errno: Errno, _ operation: String, kernelText: String?) { self.errno = errno }
    }

    private static func here() throws -> NamespaceIdentity { try NetworkNamespace.current().identity() }

    @Test func performRunsInsideAndReturnsHome() throws {
        let container = try ContainerNamespace()
        let home = try Self.here()
        let inside = try container.inside { try Self.here() }
        #expect(inside != home)
        #expect(inside == NamespaceIdentity.of(container.path))
        #expect(try Self.here() == home)
    }

    @Test func performReturnsHomeOnAnError() throws {
        let container = try ContainerNamespace()
        let home = try Self.here()
        let error = #expect(throws: Refusal.self) {
            try container.perform { () throws(Refusal) in throw Refusal(.busy, "fail") }
        }
        #expect(error?.errno == .busy)
        #expect(try Self.here() == home)
    }

    @Test func performNests() throws {
        let (outer, inner) = (try ContainerNamespace(), try ContainerNamespace())
        let seen = try outer.inside {
            [try Self.here(), try inner.inside { try Self.here() }, try Self.here()]
        }
        let expected = [outer, inner, outer].map { NamespaceIdentity.of($0.path) }
        #expect(seen.map { Optional($0) } == expected)
    }

    @Test func aSocketStaysWhereItWasOpened() throws {
        let container = try ContainerNamespace()
        try Programs.run("ip", "link", "add", "name", "onlyhere", "type", "bridge")
        // SIOCGIFINDEX finds the interface only in the namespace of the socket.
        let outside = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        let inside = try container.inside { socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0) }
        defer { [outside, inside].forEach { close($0) } }
        func finds(_ socket: CInt) -> Bool {
            var request = ifreq()
            withUnsafeMutableBytes(of: &request) { $0.copyBytes(from: "onlyhere".utf8) }
            return ioctl(socket, UInt(SIOCGIFINDEX), &request) == 0
        }
        #expect(finds(outside))
        #expect(!finds(inside))
        #expect(try container.inside { finds(outside) })
        #expect(try container.inside { !finds(inside) })
    }

    @Test func aChildStartsInTheNamespaceOfTheThread() throws {
        let container = try ContainerNamespace()
        let readlink = try #require(Programs.path("readlink"))
        let process = PluginProcess(readlink, arguments: ["/proc/self/ns/net"])
        let identity = try #require(NamespaceIdentity.of(container.path))
        #expect(try process.run(in: container.namespace).stdoutText == "net:[\(identity.inode)]\n")
        #expect(try process.run().stdoutText == "net:[\(try Self.here().inode)]\n")
    }

    @Test func aPlainFileIsNoNamespace() throws {
        let container = try ContainerNamespace()
        #expect(throws: Errno.invalidArgument) { try Self.open("/etc/passwd") }
        container.leavePlainFile()
        #expect(throws: Errno.invalidArgument) { try Self.open(container.path) }
        #expect(NamespaceIdentity.of(container.path) == nil)
    }

    @Test(arguments: [
        ("/proc/self/ns/missing", Errno.noSuchFile), ("/etc/passwd/below", .notDirectory), ("", .noSuchFile),
    ])
    func aMissingPathSaysSo(path: String, error: Errno) {
        #expect(throws: error) { try Self.open(path) }
        #expect(NamespaceIdentity.of(path) == nil)
    }

    @Test(arguments: ["/proc/self/ns/uts", "/proc/self/ns/mnt"])
    func aNamespaceOfAnotherKindIsRefused(path: String) {
        // It is a file of the same file system, so only asking for its kind can tell.
        #expect(throws: Errno.invalidArgument) { try Self.open(path) }
        #expect(NamespaceIdentity.of(path) == nil)
    }

    private static func open(_ path: String) throws(Errno) { _ = try NetworkNamespace.open(path).rawValue }

    @Test func aHeldNamespaceOutlivesItsPath() throws {
        let container = try ContainerNamespace()
        let held = try NetworkNamespace.open(container.path)
        let identity = try held.identity()
        container.removePath()
        let inside = try held.perform { () throws(Refusal) in
            try Refusal.attempt("read") { () throws(Errno) in try NetworkNamespace.current().identity() }
        }
        #expect(inside == identity)
    }

    @Test func aLockOnANamespaceExcludesAndLeavesNoFile() throws {
        let container = try ContainerNamespace()
        let first = try container.namespace.lock(shared: true, limitMilliseconds: 100)
        let second = try container.namespace.lock(shared: true, limitMilliseconds: 100)
        let file = try FileDescriptor.open(container.path)
        #expect(linux_lock(file.rawValue, false, false) != 0)
        withExtendedLifetime(first) {}
        withExtendedLifetime(second) {}
    }
}
