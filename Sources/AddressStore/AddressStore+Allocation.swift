// SPDX-License-Identifier: Apache-2.0

import Addressing
import Linux

/// What an attachment needs of one range set.
public struct AddressRequest: Sendable {
    /// The pool.
    public let set: RangeSet
    /// The address that it must be; nothing leaves the choice to the store.
    public let address: IPAddress?

    /// Makes a request.
    public init(_ set: RangeSet, address: IPAddress? = nil) {
        self.set = set
        self.address = address
    }
}

extension AddressStore {
    /// Takes one address of each set, or none at all.
    ///
    /// All are chosen before the first one is written.
    public mutating func allocate(
        _ requests: [AddressRequest],
        to lease: Lease,
        origin: Origin
    ) throws(StoreError) -> [IPAddress] {
        do { return try allocateOnce(requests, to: lease, origin: origin) } catch {
            if error.errno != .fileExists { throw error }
        }
        try rebuildIndex()
        return try allocateOnce(requests, to: lease, origin: origin)
    }

    private mutating func allocateOnce(
        _ requests: [AddressRequest],
        to lease: Lease,
        origin: Origin
    ) throws(StoreError) -> [IPAddress] {
        var chosen: [IPAddress] = []
        for (number, request) in requests.enumerated() {
            do throws(StoreError) {
                chosen.append(try choose(request, number, lease))
            } catch {
                let message = "failed to allocate for range \(number): \(error.message)"
                throw error.errno == nil ? StoreError(error.kind, message, error.details) : error
            }
        }
        var written: [IPAddress] = []
        do throws(StoreError) {
            for address in chosen {
                try write(lease, address, origin)
                written.append(address)
            }
            for (number, address) in chosen.enumerated() {
                try replace("last_reserved_ip.\(number)", with: Array(address.description.utf8))
            }
            try stamp()
        } catch {
            for address in written { try? remove(address) }
            throw error
        }
        return chosen
    }

    private mutating func choose(
        _ request: AddressRequest,
        _ number: Int,
        _ lease: Lease
    ) throws(StoreError) -> IPAddress {
        if let address = request.address { return try take(address, of: request.set) }
        while let held = try present(request.set, lease) {
            // A container that was started anew after the machine was has forgotten what it had.
            if try reclaim(held) { continue }
            throw StoreError(
                .duplicate,
                "\(held.description) has been allocated to \(lease.containerID), duplicate allocation is not allowed",
                "the attachment was not released since its last ADD; send DEL first"
            )
        }
        let last = try lastReserved(number)
        if let address = request.set.next(after: last, { index.firstFree(in: $0) }) { return address }
        if try findsMoreFree(), let address = request.set.next(after: last, { index.firstFree(in: $0) }) {
            return address
        }
        throw StoreError(
            .exhausted,
            "no IP addresses available in range set: \(request.set.description)",
            "all \(request.set.count) are taken; release some, run GC, or widen the range"
        )
    }

    /// The address of a set that an attachment has.
    ///
    /// Of several, which only requests can bring about, that whose file is listed first, because the reference names that.
    private func present(_ set: RangeSet, _ lease: Lease) throws(StoreError) -> IPAddress? {
        try addresses(of: lease).filter { set.range(of: $0) != nil }.min {
            $0.description.utf8.lexicographicallyPrecedes($1.description.utf8)
        }
    }

    private mutating func take(_ address: IPAddress, of set: RangeSet) throws(StoreError) -> IPAddress {
        if set.range(of: address)?.gateway == address {
            throw StoreError(
                .unavailable,
                "requested ip \(address.description) is subnet's gateway",
                "ask for another address"
            )
        }
        guard let holder = try lease(of: address), try !reclaim(address) else { return address }
        throw StoreError(
            .unavailable,
            "requested IP address \(address.description) is not available in range set \(set.description)",
            "container \(holder.containerID) has it"
        )
    }

    /// Makes the file of a lease: whole under another name first, then linked to its own.
    private mutating func write(_ lease: Lease, _ address: IPAddress, _ origin: Origin) throws(StoreError) {
        if !index.hasRoom { index = try Self.grownIndex(index, cache, network) }
        // Whoever comes after a kill makes the index anew, or the address would stay taken by nobody.
        index.invalidate()
        index.insert(
            IndexedLease(key: lease.key, address: address, boot: boot, netns: origin.netns)
        )
        do throws(StoreError) {
            let (name, temporary) = (address.description, temporaryName)
            try StoreError.attempt("write the lease of \(name)") { () throws(Errno) in
                try cache.remove(temporary)
                try cache.open(temporary, [.write, .create, .exclusive], permissions: 0o600).writeAll(lease.content)
                try cache.link(temporary, to: directory, as: name)
                try cache.remove(temporary)
            }
        } catch {
            index.remove(lease.key, address)
            throw error
        }
        Trace.step("leased \(address.description)")
    }

    private var temporaryName: String { Self.temporaryName(network) }

    /// Replaces a small file of the directory as a whole.
    private func replace(_ name: String, with content: [UInt8]) throws(StoreError) {
        try StoreError.attempt("write \(name) in the address store") { () throws(Errno) in
            // Never written over: after a crash it can be another name of a lease.
            try cache.remove(temporaryName)
            try cache.open(temporaryName, [.write, .create, .exclusive], permissions: 0o600).writeAll(content)
            try cache.rename(temporaryName, to: directory, as: name)
        }
    }

    /// Notes that the index describes the directory as we leave it.
    mutating func stamp() throws(StoreError) {
        let now = Clock.realNanoseconds()
        let time = FileTime(seconds: now / 1_000_000_000, nanoseconds: now % 1_000_000_000 | 1)
        try StoreError.attempt("stamp the address store") { () throws(Errno) in
            try directory.setModified(time)
            index.stamp(try directory.status(), boot: boot)
        }
    }

    /// Whether a set has an address to give, after leases of containers that are gone.
    public mutating func hasFree(in set: RangeSet) throws(StoreError) -> Bool {
        if set.next(after: nil, { index.firstFree(in: $0) }) != nil { return true }
        if try findsVanished(), set.next(after: nil, { index.firstFree(in: $0) }) != nil { return true }
        return try deadLeases().contains { set.range(of: $0) != nil }
    }

    /// Looks for addresses that seem taken and need not be; says whether there may be some.
    private mutating func findsMoreFree() throws(StoreError) -> Bool {
        let hasVanished = try findsVanished()
        return try reclaimAll() > 0 || hasVanished
    }

    /// Makes the index anew if it knows more leases than there are files, as it may after a removal without the lock.
    private mutating func findsVanished() throws(StoreError) -> Bool {
        var (known, present) = (0, 0)
        index.forEach { _ in known += 1 }
        for name in try Self.names(in: directory) where IPAddress(name) != nil { present += 1 }
        if known <= present { return false }
        try rebuildIndex()
        try stamp()
        return true
    }
}
