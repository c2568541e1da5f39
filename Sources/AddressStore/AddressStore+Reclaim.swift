// SPDX-License-Identifier: Apache-2.0

import Addressing
import Linux

extension AddressStore {
    /// Releases every lease of an earlier start of the machine whose namespace is gone; says how many there were.
    @discardableResult
    public mutating func reclaimAll() throws(StoreError) -> Int {
        var count = 0
        for address in try deadLeases() where try reclaim(address) { count += 1 }
        if count > 0 {
            try stamp()
            StandardStreams.log(
                "reclaimed \(count) addresses of containers from before the last start of the machine"
            )
        }
        return count
    }

    /// Releases one lease if it is of an earlier start of the machine and its namespace is gone.
    mutating func reclaim(_ address: IPAddress) throws(StoreError) -> Bool {
        guard let lease = try lease(of: address),
            let known = index.leases(lease.key).first(where: { $0.address == address }), isDead(known)
        else {
            return false
        }
        try remove(address)
        return true
    }

    func deadLeases() throws(StoreError) -> [IPAddress] {
        var dead: [IPAddress] = []
        index.forEach { if isDead($0) { dead.append($0.address) } }
        return dead
    }

    /// Whether the container of a lease cannot be there any more.
    ///
    /// Never on doubt: a lease whose start or namespace nobody noted, and one whose namespace's path leads to a namespace
    /// again or cannot be looked at, may belong to somebody.
    private func isDead(_ lease: IndexedLease) -> Bool {
        guard lease.boot != 0, lease.boot != boot, lease.netns.utf8.first == UInt8(ascii: "/") else { return false }
        do throws(Errno) { _ = try NetworkNamespace.open(lease.netns) } catch {
            return [.noSuchFile, .notDirectory, .invalidArgument, .noSuchProcess].contains(error)
        }
        return false
    }
}
