// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import Linux
import Netlink

extension Tunnel {
    /// What CHECK has to say: nothing if all is as it is to be.
    public func complaint(_ host: inout Kernel) throws(CNIError) -> String? {
        guard let link = try present(&host) else { return "the tunnel " + name + " is missing" }
        if let reason = incompatibility(link) { return "the tunnel " + name + " cannot be used: " + reason }
        return try difference(link, &host).first.map { "the tunnel " + name + ": " + $0.complaint }
    }

    /// Makes the device or corrects it, and says how many things were changed.
    ///
    /// To be called with the lock on shared interfaces held alone. What is corrected stays corrected should a later step
    /// fail, because it follows from the configuration and others depend on it; only a device that this call made is owed.
    public func ensure(
        _ host: inout Kernel,
        owe: (() throws(CNIError) -> Void)? = nil
    ) throws(CNIError) -> Int {
        var count = try removeOutdated(&host)
        var link = try present(&host)
        if let old = link, incompatibility(old) != nil {
            try host.deleteLink(ifExists: old.name)
            link = nil
        }
        if link == nil {
            try create(&host)
            count += 1
            try owe?()
            link = try present(&host)
        }
        // Looked at again after each change: when the hardware address changes, the kernel forgets all neighbours.
        for _ in 0..<4 {
            guard let present = link else { break }
            let changes = try difference(present, &host)
            if changes.isEmpty { return count }
            try apply(changes, to: present, &host)
            count += changes.count
            link = try self.present(&host)
        }
        throw CNIError(
            .tryAgain,
            "the tunnel " + name + " does not stay as it is made",
            "somebody else changes it or removes it"
        )
    }

    /// Removes the device with all that leads through it or past it.
    public func remove(_ host: inout Kernel) throws(CNIError) {
        try Self.remove(alias: alias, networks: networks, &host)
    }

    /// Removes the devices of a network with all that leads through them or past them.
    ///
    /// By the alias alone, because this host may not find its place in the network any more.
    public static func remove(alias: String, networks: [Prefix], _ host: inout Kernel) throws(CNIError) {
        // What leads through the tunnel goes with it.
        var past = try routes(through: .max, networks, &host).map { TunnelEntry.route($0) }
        let links = try host.links(kind: "vxlan").filter { $0.alias == alias }
        for link in links {
            guard let master = link.master else { continue }
            past += try endpoints(on: master, &host)
        }
        for entry in past {
            var batch = MessageBatch()
            entry.delete(&batch, from: 0)
            try host.send(batch)
        }
        for link in links { try host.deleteLink(ifExists: link.name) }
    }

    /// The device, if it is there and ours.
    private func present(_ host: inout Kernel) throws(CNIError) -> Link? {
        guard let link = try host.link(named: name) else { return nil }
        guard link.alias == alias else {
            let owner = link.alias.isEmpty ? "it has no alias" : "its alias is \"" + link.alias + "\""
            throw CNIError(
                .interfaceExists,
                "interface " + name + " already exists on the host",
                "it was not made for this network: " + owner + "; remove it, or choose another name by the key device"
            )
        }
        return link
    }

    /// Why a device must be made anew, which the kernel cannot change into what is wanted.
    private func incompatibility(_ link: Link) -> String? {
        guard let present = link.vxlan else { return "it is a \"" + link.kind + "\" interface" }
        if present.identifier != settings.identifier { return "its number is \(present.identifier)" }
        if present.port != settings.port { return "its port is \(present.port ?? 0)" }
        if present.group != settings.group { return "its group is " + (present.group?.description ?? "missing") }
        if present.local?.family != settings.local?.family { return "it goes over another version of IP" }
        if present.hopLimit ?? 0 != settings.hopLimit ?? 0 { return "its hop limit is another one" }
        if link.master != nil, bridge == nil { return "its mode is another one" }
        // Entries for hosts that are gone by now cannot be told from those of whoever looks after them.
        if entries == nil, present.learns != settings.learns { return "its entries become somebody else's" }
        return nil
    }

    /// Removes devices that were made for the network when its configuration was another one.
    private func removeOutdated(_ host: inout Kernel) throws(CNIError) -> Int {
        var count = 0
        for link in try host.links(kind: "vxlan") where link.alias == alias && link.name != name {
            try host.deleteLink(ifExists: link.name)
            count += 1
        }
        return count
    }

    private func create(_ host: inout Kernel) throws(CNIError) {
        var master: UInt32?
        if let bridge { master = try host.link(named: bridge)?.index }
        var batch = MessageBatch()
        // The address comes with the creating message, because one that the kernel draws is changed by udev later.
        batch.addLink(NewLink(name: name, kind: .vxlan(settings), mac: mac, mtu: mtu, master: master))
        batch.withholdLinkLocalAddress(name)
        // The alias goes along, so that whoever is killed leaves no device that nobody knows for ours.
        var named = LinkChange()
        named.alias = alias
        batch.setLink(name, named)
        do { try host.send(batch) } catch { throw try explain(error, &host) }
        do {
            try Sysctl.set("net/ipv6/conf/" + name + "/accept_ra", "0")
            batch = MessageBatch()
            batch.setLink(name, .up)
            try host.send(batch)
        } catch {
            _ = try? host.deleteLink(ifExists: name)
            throw try explain(error, &host)
        }
    }

    /// Says who has what the kernel only says is taken.
    private func explain(_ error: CNIError, _ host: inout Kernel) throws(CNIError) -> CNIError {
        if error.errno == .fileExists { return try rival(&host) ?? error }
        guard error.errno == .addressInUse else { return error }
        return CNIError(
            .interfaceExists,
            "UDP port \(settings.port ?? 0) is in use",
            "another program or device has it (\"ss -ulnp\", \"ip -d link show type vxlan\"); choose another port on all hosts"
        )
    }

    /// The refusal because of another device that has the number and the port, if there is one.
    private func rival(_ host: inout Kernel) throws(CNIError) -> CNIError? {
        for link in try host.links(kind: "vxlan") where link.alias != alias {
            guard let other = link.vxlan, other.identifier == settings.identifier, other.port == settings.port,
                (other.local ?? other.group)?.family ?? .v4 == settings.local?.family ?? .v4
            else {
                continue
            }
            return CNIError(
                .interfaceExists,
                "VNI \(settings.identifier) on UDP port \(settings.port ?? 0) is in use by \(link.name)",
                "two tunnels of one host must differ in vni or port; change this network's on all of its hosts"
            )
        }
        return nil
    }

    /// Refuses if the device is missing and cannot be made, because somebody else's is in its place.
    public func checkPlace(_ host: inout Kernel) throws(CNIError) {
        if try present(&host) == nil, let rival = try rival(&host) { throw rival }
    }

    static func send(_ changes: [TunnelChange], for link: Link, _ host: inout Kernel) throws(CNIError) {
        // So many fit into a batch in any case.
        let size = 120
        var rest = changes[...]
        var failure: CNIError?
        while !rest.isEmpty {
            var batch = MessageBatch()
            for change in rest.prefix(size) { change.add(to: &batch, link) }
            // One that is refused must not cost the ways to all other hosts.
            do throws(CNIError) { try host.send(batch) } catch { failure = failure ?? error }
            rest = rest.dropFirst(size)
        }
        guard let failure else { return }
        guard failure.errno == .fileExists else { throw failure }
        throw CNIError(
            .kernel,
            failure.message,
            failure.details + "; somebody else's is there, or of a subnet that this host had: see ip route"
        )
    }

    func apply(_ changes: [TunnelChange], to link: Link, _ host: inout Kernel) throws(CNIError) {
        // Before the addresses that need it.
        if changes.contains(where: { if case .allowIPv6 = $0 { true } else { false } }) {
            try Sysctl.set(disablesIPv6, "0")
        }
        try Self.send(changes, for: link, &host)
        for case .checksum(let isOn) in changes {
            try CNIError.attempt("switch the offload of checksums of " + name + (isOn ? " on" : " off")) {
                () throws(Errno) in try ChecksumOffload.set(name, isOn)
            }
        }
    }
}
