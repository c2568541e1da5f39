// SPDX-License-Identifier: Apache-2.0

import Addressing
import Linux

/// The leases of one network, in the files of the reference, under its lock.
///
///     <dataDir>/<network>/<address>             who has the address, see `Lease`
///     <dataDir>/<network>/last_reserved_ip.<n>  the address that set n gave last
///     <dataDir>/<network>/lock                  held with flock(2) while anything is looked at or changed
///     <dataDir>/.index/<network>                a cache, see `LeaseIndex`; no network can be called like its folder
///
/// Either suite can go on with what the other left. A file appears under its name by link(2) with all its content, so that
/// a crash leaves it whole or not at all. Nothing is forced to the disk: what a loss of power can damage are leases of
/// containers that it ended, and an empty file is cleared away when it is met.
public struct AddressStore: ~Copyable {
    static var lockLimit: Int64 { 30_000 }

    let directory: FileDescriptor
    let cache: FileDescriptor
    let network: String
    let boot: UInt64
    var index: LeaseIndex
    private let lock: FileLock

    /// Opens the store of a network and waits for its lock; both are made if they are missing.
    public static func open(dataDir: String, network: String, boot: String) throws(StoreError) -> AddressStore {
        let path = "\(dataDir)/\(network)"
        let directory = try folder(path)
        let lock = try StoreError.attempt("lock \(path) within \(lockLimit) ms") { () throws(Errno) in
            let file = try directory.open("lock", [.read, .write, .create], permissions: 0o750)
            return try FileLock.acquire(file, limitMilliseconds: lockLimit)
        }
        let cache = try folder("\(dataDir)/.index")
        let bootHash = Lease.key(boot, nil)
        let index = try loadIndex(directory, cache, network, boot: bootHash)
        var store = AddressStore(
            directory: directory,
            cache: cache,
            network: network,
            boot: bootHash,
            index: index,
            lock: lock
        )
        try store.stampIfNew()
        return store
    }

    /// Opens the store of a network if there is one.
    public static func openIfExists(dataDir: String, network: String, boot: String) throws(StoreError) -> AddressStore?
    {
        let path = "\(dataDir)/\(network)"
        let status = try StoreError.attempt("look at \(path)") { () throws(Errno) in try FileStatus.of(path) }
        guard let status, status.isDirectory else { return nil }
        return try open(dataDir: dataDir, network: network, boot: boot)
    }

    private init(
        directory: consuming FileDescriptor,
        cache: consuming FileDescriptor,
        network: String,
        boot: UInt64,
        index: consuming LeaseIndex,
        lock: consuming FileLock
    ) {
        self.directory = directory
        self.cache = cache
        (self.network, self.boot) = (network, boot)
        self.index = index
        self.lock = lock
    }

    private mutating func stampIfNew() throws(StoreError) {
        let status = try StoreError.attempt("look at the address store") { () throws(Errno) in try directory.status() }
        if !index.matches(status, boot: boot) { try stamp() }
    }

    private static func folder(_ path: String) throws(StoreError) -> FileDescriptor {
        try StoreError.attempt("open the directory \(path)") { () throws(Errno) in
            do throws(Errno) { return try FileDescriptor.open(path, [.read, .directory]) } catch {
                if error != .noSuchFile { throw error }
            }
            try FileStatus.makeDirectories(path)
            return try FileDescriptor.open(path, [.read, .directory])
        }
    }

    /// The addresses of an attachment, or those of its container in the old form if it has none of its own.
    public func addresses(of lease: Lease) throws(StoreError) -> [IPAddress] {
        let own = try addresses(exactly: lease)
        return try own.isEmpty ? addresses(exactly: Lease(oldForm: lease.containerID)) : own
    }

    private func addresses(exactly lease: Lease) throws(StoreError) -> [IPAddress] {
        var found: [IPAddress] = []
        for candidate in index.leases(lease.key) where try self.lease(of: candidate.address) == lease {
            found.append(candidate.address)
        }
        return found
    }

    /// Who has an address, or nothing if it is free.
    func lease(of address: IPAddress) throws(StoreError) -> Lease? {
        try Self.read(address.description, in: directory).flatMap { Lease(content: $0) }
    }

    /// Releases the addresses of an attachment and returns them.
    @discardableResult
    public mutating func release(_ lease: Lease) throws(StoreError) -> [IPAddress] {
        let addresses = try addresses(of: lease)
        for address in addresses { try remove(address) }
        if !addresses.isEmpty { try stamp() }
        return addresses
    }

    /// Releases every lease that a condition does not hold for, and returns their addresses.
    public mutating func release(unless isKept: (Lease) -> Bool) throws(StoreError) -> [IPAddress] {
        var released: [IPAddress] = []
        for name in try Self.names(in: directory) {
            guard let address = IPAddress(name), let lease = try lease(of: address), !isKept(lease) else { continue }
            try remove(address)
            released.append(address)
        }
        if !released.isEmpty { try stamp() }
        return released
    }

    /// Removes the file of an address and what the index knows of it.
    mutating func remove(_ address: IPAddress) throws(StoreError) {
        let lease = try lease(of: address)
        try StoreError.attempt("release the address \(address.description)") { () throws(Errno) in
            try directory.remove(address.description)
        }
        if let lease { index.remove(lease.key, address) }
        Trace.step("released \(address.description)")
    }

    /// The address that a set gave last.
    func lastReserved(_ set: Int) throws(StoreError) -> IPAddress? {
        try Self.read("last_reserved_ip.\(set)", in: directory).flatMap { bytes in
            IPAddress(String(decoding: bytes.filter { $0 > 32 }, as: UTF8.self))
        }
    }

    static func read(_ name: String, in directory: borrowing FileDescriptor) throws(StoreError) -> [UInt8]? {
        do { return try directory.open(name).readAll() } catch {
            if error == .noSuchFile { return nil }
            throw StoreError(error, "read \(name) in the address store")
        }
    }

    static func names(in directory: borrowing FileDescriptor) throws(StoreError) -> [String] {
        try StoreError.attempt("list the address store") { () throws(Errno) in try directory.names() }
    }
}

extension Lease {
    /// A lease in the form that names only the container.
    init(oldForm containerID: String) {
        self.containerID = containerID
        interface = nil
    }
}
