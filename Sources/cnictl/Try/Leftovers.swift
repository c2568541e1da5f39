// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Netlink

/// What differs between a host before the first ADD and after the last DEL.
struct Leftovers {
    /// What was left behind and should not have been.
    private(set) var leaks: [String] = []
    /// What stays on purpose, because all containers of a network share it.
    private(set) var shared: [String] = []

    /// The number by which routes to the containers of other hosts are known.
    static let overlay: UInt8 = 92

    /// Compares two moments of a namespace.
    ///
    /// The place is the host or the name of a container.
    mutating func compare(_ before: HostState, _ after: HostState, at place: String) {
        var sharedNames: [String] = []
        for device in after.devices(since: before) {
            // Other containers may come, and they find the bridge and the tunnel behind it ready.
            if device.kind == "bridge" || device.kind == "vxlan" {
                shared.append("\(device.kind) \(device.link.name)")
                sharedNames.append(device.link.name)
            } else {
                leaks.append("\(place): \(device.kind) \(device.link.name)")
            }
        }
        for device in before.devices { compare(device, after.device(device.link.name), place) }
        let known = before.routes.map { $0.text }
        let present = after.routes.map { $0.text }
        for route in after.routes where !known.contains(route.text) && !sharedNames.contains(route.device) {
            // Ways to other hosts are for all containers too.
            if route.route.origin == Self.overlay {
                shared.append("route \(route.text)")
            } else {
                leaks.append("\(place): route \(route.text)")
            }
        }
        for route in known where !present.contains(route) { leaks.append("\(place): lost the route \(route)") }
    }

    private mutating func compare(_ before: HostState.Device, _ after: HostState.Device?, _ place: String) {
        let name = before.link.name
        guard let after else { return leaks.append("\(place): lost the interface \(name)") }
        let (old, new) = (before.addressTexts, after.addressTexts)
        for address in new where !old.contains(address) && !Self.isAutomatic(address) {
            leaks.append("\(place): address \(address) on \(name)")
        }
        for address in old where !new.contains(address) {
            leaks.append("\(place): lost the address \(address) of \(name)")
        }
        if before.link.mtu != after.link.mtu {
            leaks.append("\(place): MTU of \(name) is \(after.link.mtu), was \(before.link.mtu)")
        }
        if before.link.isUp != after.link.isUp {
            leaks.append("\(place): \(name) is \(after.link.isUp ? "up" : "down")")
        }
        if before.link.mac != after.link.mac { leaks.append("\(place): \(name) has another hardware address") }
        if before.master != after.master { leaks.append("\(place): \(name) is a port of \(after.master)") }
        if before.link.alias != after.link.alias { leaks.append("\(place): \(name) has the alias \(after.link.alias)") }
    }

    /// Whether the kernel may have given an address by itself, as it does to every loopback that is ever switched on.
    private static func isAutomatic(_ address: String) -> Bool {
        address.hasPrefix("fe80:") || address == "127.0.0.1/8" || address == "::1/128"
    }

    /// Adds the files of the calling process's host that name a container of a network.
    mutating func addFiles(of list: NetworkList) {
        for lease in LeaseStore(list).leases() { add("lease of \(lease.address.description) for \(lease.containerID)") }
        for container in ResultCache().containers(of: list.name) { add("kept result of \(container.id)") }
    }

    /// Adds something that should not be there.
    mutating func add(_ leak: String) { leaks.append(leak) }

    /// Adds something that stays on purpose.
    mutating func addShared(_ thing: String) { shared.append(thing) }
}
