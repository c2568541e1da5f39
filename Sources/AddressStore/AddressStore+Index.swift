// SPDX-License-Identifier: Apache-2.0

import Addressing
import Linux

extension AddressStore {
    /// The index of a network: the one that is there if it describes the directory, else a new one.
    static func loadIndex(
        _ directory: borrowing FileDescriptor,
        _ cache: borrowing FileDescriptor,
        _ network: String,
        boot: UInt64
    ) throws(StoreError) -> LeaseIndex {
        let status = try StoreError.attempt("look at the address store") { () throws(Errno) in try directory.status() }
        // Whatever is wrong with the old one, it is only a cache.
        var origins: [UInt64: [IndexedLease]] = [:]
        if let old = try? map(network, in: cache) {
            if old.matches(status, boot: boot) { return old }
            old.forEach { origins[$0.key, default: []].append($0) }
        }
        return try rebuild(directory, cache, network, origins: origins)
    }

    /// Makes the index anew, because a file was met that it does not know.
    mutating func rebuildIndex() throws(StoreError) {
        var origins: [UInt64: [IndexedLease]] = [:]
        index.forEach { origins[$0.key, default: []].append($0) }
        index = try Self.rebuild(directory, cache, network, origins: origins)
    }

    private static func map(_ name: String, in cache: borrowing FileDescriptor) throws(Errno) -> LeaseIndex {
        let file = try cache.open(name, [.read, .write])
        let size = try file.status().size
        guard size > 0, let index = LeaseIndex(existing: try MappedFile.map(file, size: size)) else {
            throw .invalidArgument
        }
        return index
    }

    /// Reads every file of the directory into a new index.
    ///
    /// Where leases come from the files do not tell, so it is taken from `origins`, which the old index knew.
    private static func rebuild(
        _ directory: borrowing FileDescriptor,
        _ cache: borrowing FileDescriptor,
        _ network: String,
        origins: [UInt64: [IndexedLease]]
    ) throws(StoreError) -> LeaseIndex {
        var leases: [IndexedLease] = []
        for name in try names(in: directory) {
            guard let address = IPAddress(name), name == address.description,
                let content = try read(name, in: directory)
            else {
                continue
            }
            guard let lease = Lease(content: content) else {
                // Under the lock nobody is just about to write it: the writer crashed, and no DEL could ever name it.
                StandardStreams.log("removed the empty lease of \(name), left by a crash")
                try StoreError.attempt("remove \(name)") { () throws(Errno) in try directory.remove(name) }
                continue
            }
            let known = origins[lease.key]?.first { $0.address == address }
            leases.append(
                IndexedLease(key: lease.key, address: address, boot: known?.boot ?? 0, netns: known?.netns ?? "")
            )
        }
        Trace.step("rebuilt the index from \(leases.count) leases")
        return try makeIndex(cache, network, leases)
    }

    /// The index with twice the room.
    static func grownIndex(
        _ index: borrowing LeaseIndex,
        _ cache: borrowing FileDescriptor,
        _ network: String
    ) throws(StoreError) -> LeaseIndex {
        var leases: [IndexedLease] = []
        index.forEach { leases.append($0) }
        return try makeIndex(cache, network, leases)
    }

    /// The name of a file that is being written, under the network's lock; short, however long that of the network is.
    static func temporaryName(_ network: String) -> String { ".\(String(Lease.key(network, nil), radix: 16))" }

    private static func makeIndex(
        _ cache: borrowing FileDescriptor,
        _ network: String,
        _ leases: [IndexedLease]
    ) throws(StoreError) -> LeaseIndex {
        var capacity = 64
        while capacity < leases.count * 2 + 2 { capacity *= 2 }
        let (size, temporary) = (LeaseIndex.size(capacity: capacity), temporaryName(network))
        let mapped = try StoreError.attempt("write the index of \(network)") { () throws(Errno) in
            try cache.remove(temporary)
            let file = try cache.open(temporary, [.read, .write, .create, .exclusive], permissions: 0o600)
            try file.allocate(size)
            return try MappedFile.map(file, size: size)
        }
        let index = LeaseIndex(fresh: mapped, capacity: capacity)
        for lease in leases { index.insert(lease) }
        try StoreError.attempt("write the index of \(network)") { () throws(Errno) in
            try cache.rename(temporary, to: cache, as: network)
        }
        return index
    }
}
