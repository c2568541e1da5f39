// SPDX-License-Identifier: Apache-2.0

import Addressing
import Linux

/// What the index knows of a lease.
struct IndexedLease {
    let key: UInt64
    let address: IPAddress
    /// A hash of the identifier of the kernel's start; 0 if nobody knows in which one the lease was made.
    let boot: UInt64
    /// The path of the namespace; empty if it is not known or too long.
    let netns: String
}

extension LeaseIndex {
    /// Notes a lease.
    func insert(_ lease: IndexedLease) {
        var slot = firstSlot(lease.key)
        while key(at: slot) > Self.usedKey { slot = (slot + 1) & (capacity - 1) }
        if key(at: slot) == Self.emptyKey { usedSlots += 1 }
        let offset = slotOffset(slot)
        let path = lease.netns.utf8.count <= Self.pathCapacity ? Array(lease.netns.utf8) : []
        file.store(UInt64(truncatingIfNeeded: lease.address.bits), at: offset + 8)
        file.store(UInt64(truncatingIfNeeded: lease.address.bits >> 64), at: offset + 16)
        file.store(lease.address.family.rawValue, at: offset + 24)
        file.store(UInt8(path.count), at: offset + 25)
        file.store(lease.boot, at: offset + 32)
        file.store(path, at: offset + 56)
        file.store(check(offset), at: offset + 40)
        file.store(lease.key, at: offset)
        setTaken(lease.address, true)
    }

    /// The leases with a key; more than one if the attachment has several addresses, or by chance.
    func leases(_ key: UInt64) -> [IndexedLease] {
        var found: [IndexedLease] = []
        var slot = firstSlot(key)
        var steps = 0
        while self.key(at: slot) != Self.emptyKey, steps < capacity {
            if self.key(at: slot) == key, let lease = lease(at: slot) { found.append(lease) }
            slot = (slot + 1) & (capacity - 1)
            steps += 1
        }
        return found
    }

    /// Forgets a lease.
    func remove(_ key: UInt64, _ address: IPAddress) {
        var slot = firstSlot(key)
        var steps = 0
        while self.key(at: slot) != Self.emptyKey, steps < capacity {
            if self.key(at: slot) == key, lease(at: slot)?.address == address {
                file.store(Self.usedKey, at: slotOffset(slot))
                return setTaken(address, false)
            }
            slot = (slot + 1) & (capacity - 1)
            steps += 1
        }
    }

    /// Calls a body with every lease.
    func forEach(_ body: (IndexedLease) -> Void) {
        for slot in 0..<capacity where key(at: slot) > Self.usedKey {
            if let lease = lease(at: slot) { body(lease) }
        }
    }

    private func firstSlot(_ key: UInt64) -> Int { Int((key &* 0x9e37_79b9_7f4a_7c15) >> 20) & (capacity - 1) }

    private func slotOffset(_ slot: Int) -> Int { Self.headerSize + slot * Self.slotSize }

    private func key(at slot: Int) -> UInt64 { file.load(UInt64.self, at: slotOffset(slot)) }

    /// Reads a slot; nothing if it was torn by a loss of power.
    private func lease(at slot: Int) -> IndexedLease? {
        let offset = slotOffset(slot)
        let length = Int(file.load(UInt8.self, at: offset + 25))
        guard length <= Self.pathCapacity,
            let family = IPAddress.Family(rawValue: file.load(UInt8.self, at: offset + 24)),
            file.load(UInt64.self, at: offset + 40) == check(offset)
        else {
            return nil
        }
        let low = file.load(UInt64.self, at: offset + 8)
        let high = file.load(UInt64.self, at: offset + 16)
        return IndexedLease(
            key: file.load(UInt64.self, at: offset),
            address: IPAddress(family: family, bits: UInt128(high) << 64 | UInt128(low)),
            boot: file.load(UInt64.self, at: offset + 32),
            netns: String(decoding: file.bytes(at: offset + 56, count: length), as: UTF8.self)
        )
    }

    /// A sum over all of a slot but its key and the sum itself.
    private func check(_ offset: Int) -> UInt64 {
        var sum: UInt64 = 0xcbf2_9ce4_8422_2325
        for position in [8, 16, 24, 32] + Array(stride(from: 56, to: Self.slotSize, by: 8)) {
            sum = (sum ^ file.load(UInt64.self, at: offset + position)) &* 0x100_0000_01b3
        }
        return sum
    }
}
