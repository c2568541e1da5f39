// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Linux
import Support
import SystemBus
import Testing

/// Hosts without a bus, with a broken one, and with one that nobody of interest is on.
@Suite("Without firewalld", .serialized)
struct AbsenceTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test func withoutASocketNothingIsLoaded() throws {
        let maps = { try String(contentsOfFile: "/proc/self/maps", encoding: .utf8).contains("libsystemd") }
        let before = try maps()
        try BusAddress.with("unix:path=\(directory.path("none"))") {
            #expect(!Firewalld.isRunning())
            let daemon = try Firewalld.openIfExists()
            let isThere = daemon != nil
            #expect(!isThere)
        }
        #expect(try maps() == before)
    }

    @Test(
        arguments: [
            ("unix:path=/nowhere", false), ("unix:path=/nowhere,guid=1;unix:path=/none", false),
            ("unix:path=/etc/passwd", true), ("unix:path=/nowhere;unix:path=/etc/passwd,guid=1", true),
            ("unix:abstract=/nowhere", true), ("tcp:host=localhost", true), ("unix:path=/%6eowhere", true),
        ]
    )
    func anAddressTellsWhetherThereCanBeABus(address: String, mayExist: Bool) {
        #expect(SystemBus.mayExist(Environment(["DBUS_SYSTEM_BUS_ADDRESS=\(address)"])) == mayExist)
    }

    @Test(arguments: ["", "DBUS_SYSTEM_BUS_ADDRESS="]) func withoutAnAddressTheUsualSocketCounts(entry: String) {
        let isThere = FileManager.default.fileExists(atPath: "/run/dbus/system_bus_socket")
        #expect(SystemBus.mayExist(Environment([entry])) == isThere)
    }

    @Test func aSocketWithoutAListenerIsNoBus() throws {
        let listener = try Listener(directory.path("dead"))
        listener.close()
        try BusAddress.with("unix:path=\(directory.path("dead"))") {
            #expect(!Firewalld.isRunning())
            let daemon = try Firewalld.openIfExists()
            let isThere = daemon != nil
            #expect(!isThere)
        }
    }

    @Test func aBusThatSaysNothingIsNotWaitedForLongerThanTwoSeconds() throws {
        let listener = try Listener(directory.path("mute"))
        defer { listener.close() }
        BusAddress.with("unix:path=\(directory.path("mute"))") {
            let start = ContinuousClock.now
            #expect(!Firewalld.isRunning())
            // The library itself would wait for 25 seconds.
            #expect(.milliseconds(1900)..<(.seconds(20)) ~= ContinuousClock.now - start)
            var failure: BusError?
            do throws(BusError) { _ = try Firewalld.openIfExists() } catch { failure = error }
            #expect(failure?.errno == .timedOut)
            #expect(failure?.description.hasPrefix("cannot connect to the system bus: ") == true)
        }
    }

    @Test(.enabled(if: FirewalldHost.missing == nil, "needs \(FirewalldHost.missing ?? "")"))
    func aBusWithoutTheDaemon() throws {
        let host = try FirewalldHost(withFirewalld: false)
        defer { withExtendedLifetime(host) {} }
        #expect(!Firewalld.isRunning())
        var daemon = try Firewalld.open()
        let isRemoved = try daemon.removeSource("10.1.0.2/32", from: "trusted")
        #expect(!isRemoved)
        var failure: BusError?
        do { _ = try daemon.addSource("10.1.0.2/32", to: "trusted") } catch { failure = error }
        #expect(failure?.hasNoAddressee == true, "\(failure?.description ?? "")")
        #expect(failure?.operation == "add the source 10.1.0.2/32 to the zone trusted")
    }
}

/// A socket that takes connections and says nothing.
private final class Listener {
    private let descriptor: CInt

    init(_ path: String) throws {
        descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard bound == 0, listen(descriptor, 8) == 0 else { throw Errno(errno) }
    }

    func close() { _ = Glibc.close(descriptor) }
}
