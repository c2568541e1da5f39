// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import Netlink

/// One entry of the kernel that leads to other hosts, whatever table it is in.
enum TunnelEntry: Equatable {
    case address(Prefix)
    case neighbour(Neighbour)
    case forwarding(ForwardingEntry)
    case route(Route)

    /// What makes entries exclude each other: of those with equal keys there can be only one.
    struct Key: Hashable {
        let order: UInt8
        let interface: UInt32
        let bits: UInt128
        let number: UInt32
        let second: UInt128
    }

    var key: Key {
        switch self {
        case .address(let prefix):
            Key(
                order: order,
                interface: 0,
                bits: prefix.address.bits,
                number: UInt32(prefix.length),
                second: UInt128(prefix.address.family.rawValue)
            )
        case .neighbour(let neighbour):
            Key(
                order: order,
                interface: neighbour.interface,
                bits: neighbour.address.bits,
                number: 0,
                second: UInt128(neighbour.address.family.rawValue)
            )
        case .forwarding(let entry):
            Key(
                order: order,
                interface: entry.interface,
                bits: entry.mac.bytes.reduce(0) { $0 << 8 | UInt128($1) },
                // An entry for one address can be replaced, whatever differs.
                number: entry.table == .bridge ? 1 : entry.isForUnknown && entry.leadsElsewhere ? 2 : 0,
                // Frames for unknown addresses go to many.
                second: entry.isForUnknown ? entry.destination?.bits ?? 0 : 0
            )
        case .route(let route):
            Key(
                order: order,
                interface: route.priority,
                bits: route.destination.network.bits,
                number: UInt32(route.destination.length),
                second: UInt128(route.destination.address.family.rawValue)
            )
        }
    }

    /// The key of a hardware address among others.
    static func key(of mac: MACAddress) -> Key { TunnelEntry.forwarding(ForwardingEntry(mac, port: 0)).key }

    /// The order in which entries are made, so that nothing leads to what is not there yet; removals go the other way.
    var order: UInt8 {
        switch self {
        case .address: 0
        case .neighbour: 1
        case .forwarding: 2
        case .route: 3
        }
    }

    /// What it is, in words.
    var description: String {
        switch self {
        case .address(let prefix): "the address " + prefix.description
        case .neighbour(let neighbour): "the neighbour " + neighbour.address.description
        case .forwarding(let entry): "the forwarding of " + entry.description
        case .route(let route): "the route to " + route.destination.description
        }
    }

    /// Adds the message that makes the entry, or puts it into the place of the one with the same key.
    @inline(never)
    func set(_ batch: inout MessageBatch, on index: UInt32, replaces: Bool) {
        switch self {
        case .address(let prefix): batch.addAddress(prefix, to: index)
        case .neighbour(let neighbour): batch.replaceNeighbour(neighbour)
        case .forwarding(let entry): batch.setForwarding(entry)
        case .route(let route): batch.setRoute(route, replaces: replaces)
        }
    }

    /// Adds the message that removes the entry; the kernel may have removed it along with another one.
    @inline(never)
    func delete(_ batch: inout MessageBatch, from index: UInt32) {
        switch self {
        case .address(let prefix): batch.deleteAddress(prefix, from: index)
        case .neighbour(let neighbour): batch.deleteNeighbour(neighbour, ifExists: true)
        case .forwarding(let entry): batch.deleteForwarding(entry, ifExists: true)
        case .route(let route): batch.deleteRoute(route, ifExists: true)
        }
    }
}
