// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A store of host-local with many leases, for calls of host-local alone.
struct LeaseNetwork {
    /// Whose plugin is called.
    let suite: Suite

    /// How many leases the store has before a call.
    let leases: Int

    /// The name of the network.
    private let name: String

    /// The configuration as a file.
    private let file: String

    /// Milliseconds of the first call on a store that was just filled; nothing if the store existed.
    let firstCall: Double?

    /// The directory of all stores.
    private static let directory = "\(Isolation.scratch)/leases"

    /// The first address of the subnet, 10.0.0.0.
    private static let base: UInt32 = 10 << 24

    /// Opens the store of a suite with so many leases, and fills it the first time.
    init(_ suite: Suite, leases: Int) throws {
        self.suite = suite
        self.leases = leases
        name = "\(suite.name)-\(leases)-leases"
        file = try Suite.write(
            name,
            [
                "cniVersion": "1.0.0",
                "name": name,
                "type": "bridge",
                "ipam": [
                    "type": "host-local",
                    "dataDir": Self.directory,
                    "ranges": [[["subnet": "10.0.0.0/8"]]],
                ] as [String: Any],
            ]
        )
        let store = "\(Self.directory)/\(name)"
        guard !FileManager.default.fileExists(atPath: store) else {
            firstCall = nil
            return
        }
        try Self.fill(store, leases)
        let first = Container(network: name, number: 0, namespace: "/run/netns/none")
        firstCall = try suite.call("host-local", "ADD", for: first, input: file).run()
        _ = try suite.call("host-local", "DEL", for: first, input: file).run()
    }

    /// The n-th container that asks for a lease.
    func container(_ number: Int) -> Container {
        Container(network: name, number: number, namespace: "/run/netns/none")
    }

    /// The call that takes or returns a lease.
    func call(_ command: String, _ container: Container) -> Call {
        suite.call("host-local", command, for: container, input: file)
    }

    /// Writes leases from 10.0.0.2 on, in the format of the reference.
    private static func fill(_ store: String, _ count: Int) throws {
        try FileManager.default.createDirectory(atPath: store, withIntermediateDirectories: true)
        var address = ""
        for number in 0..<count {
            address = text(base + 2 + UInt32(number))
            let holder = Container(network: "holder", number: number, namespace: "").id
            try write("\(holder)\r\neth0", to: "\(store)/\(address)")
        }
        try write(address, to: "\(store)/last_reserved_ip.0")
    }

    /// Writes a file as the reference does, readable by root alone.
    private static func write(_ text: String, to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Failure("\(path): \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
            throw Failure("\(path): \(String(cString: strerror(errno)))")
        }
    }

    /// The address with dots.
    private static func text(_ address: UInt32) -> String {
        stride(from: 24, through: 0, by: -8).map { String((address >> UInt32($0)) & 0xff) }.joined(separator: ".")
    }
}
