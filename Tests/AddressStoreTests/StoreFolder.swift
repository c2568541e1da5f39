// SPDX-License-Identifier: Apache-2.0

import Addressing
import Foundation
import Support
import Testing

@testable import AddressStore

/// A data directory with one network, of which a test holds the store open only while it needs it.
final class StoreFolder: Sendable {
    static let network = "lab"

    private let directory: TemporaryDirectory
    let dataDir: String
    let path: String
    let indexPath: String

    init() throws {
        directory = try TemporaryDirectory()
        dataDir = directory.path("data")
        path = "\(dataDir)/\(Self.network)"
        indexPath = "\(dataDir)/.index/\(Self.network)"
    }

    /// Opens the store as a process does that runs since a start of the machine.
    func open(boot: String = "first") throws(StoreError) -> AddressStore {
        try AddressStore.open(dataDir: dataDir, network: Self.network, boot: boot)
    }

    /// Takes an address of each set for an attachment, in a process of its own as it were.
    @discardableResult
    func allocate(
        _ requests: [AddressRequest],
        to lease: Lease,
        boot: String = "first",
        netns: String = "/nowhere"
    ) throws(StoreError) -> [String] {
        var store = try open(boot: boot)
        return try store.allocate(requests, to: lease, origin: Origin(boot: boot, netns: netns)).map { $0.description }
    }

    /// Releases the addresses of an attachment.
    @discardableResult
    func release(_ lease: Lease, boot: String = "first") throws(StoreError) -> [String] {
        var store = try open(boot: boot)
        return try store.release(lease).map { $0.description }.sorted()
    }

    /// Whether a set has an address to give.
    func hasFree(in set: RangeSet, boot: String = "first") throws(StoreError) -> Bool {
        var store = try open(boot: boot)
        return try store.hasFree(in: set)
    }

    /// Writes a file as somebody does who knows nothing of the index.
    func write(_ content: String, to name: String) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try Data(content.utf8).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    }

    /// Removes a file likewise.
    func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: "\(path)/\(name)") }

    /// The content of a file, or nothing if there is none.
    func read(_ name: String) -> String? {
        FileManager.default.contents(atPath: "\(path)/\(name)").map { String(decoding: $0, as: UTF8.self) }
    }

    /// The files that are named after addresses, with their content.
    func leases() throws -> [String: String] {
        var leases: [String: String] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: path) where IPAddress(name) != nil {
            leases[name] = read(name)
        }
        return leases
    }

    /// Expects that the store knows exactly what the files say.
    func expectIndexMatchesFiles(boot: String = "first", sourceLocation: SourceLocation = #_sourceLocation) throws {
        let store = try open(boot: boot)
        var known: [String: UInt64] = [:]
        store.index.forEach { known[$0.address.description] = $0.key }
        let files = try leases()
        let expected = files.compactMapValues { Lease(content: Array($0.utf8))?.key }
        #expect(known == expected, sourceLocation: sourceLocation)
        for name in files.keys {
            let taken = try address(name)
            let stretch = try #require(AddressRange(first: taken, last: taken))
            let free = store.index.firstFree(in: stretch)
            #expect(free == nil, "\(name) is taken", sourceLocation: sourceLocation)
        }
        for (name, content) in files {
            guard let lease = Lease(content: Array(content.utf8)) else { continue }
            let found = try store.addresses(of: lease).map { $0.description }
            #expect(found.contains(name), sourceLocation: sourceLocation)
        }
    }
}

/// The address of a text that is one.
func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

/// A range set of ranges in the form first, last, gateway, all in one network.
func rangeSet(_ subnet: String, _ ranges: [(first: String, last: String, gateway: String)]) throws -> RangeSet {
    let prefix = try #require(Prefix(subnet))
    return RangeSet(
        try ranges.map { range in
            let addresses = AddressRange(first: try address(range.first), last: try address(range.last))
            return RangeSet.Range(
                addresses: try #require(addresses),
                subnet: prefix,
                gateway: try address(range.gateway)
            )
        }
    )
}

/// The lease of the interface eth0 of a container.
func lease(_ containerID: String, _ interface: String = "eth0") -> Lease {
    Lease(containerID: containerID, interface: interface)
}

/// The failure of a body that must fail.
func failure(
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws(StoreError) -> Void
) -> StoreError? {
    do throws(StoreError) { try body() } catch { return error }
    Issue.record("nothing failed", sourceLocation: sourceLocation)
    return nil
}
