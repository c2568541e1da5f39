// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Linux
import Netlink

/// The bridge on the host: shared by all attachments, made by the first of them.
public struct BridgeDevice: Sendable {
    let settings: BridgeSettings
    /// The name of the bridge.
    public var name: String { settings.name }

    /// The name of the attachment's own port.
    public let ownPort: String

    /// The name of the port by which the host is in the VLAN of the containers.
    var gatewayPort: String {
        Attachment(network: name, containerID: "gateway", interface: "\(settings.vlan)").hostInterface
    }

    /// Describes the bridge of an attachment, which is made when it is needed.
    public init(_ settings: BridgeSettings, ownPort: String) {
        self.settings = settings
        self.ownPort = ownPort
    }

    /// Makes a pair whose host's end is a port of the bridge, which is made if it is missing.
    public func attach(
        _ pair: VethPair,
        in netns: borrowing NetworkNamespace,
        _ host: inout Kernel,
        undo: inout UndoStack
    ) throws(CNIError) -> Link {
        let lock = try SharedInterfaceLock.acquire(alone: false)
        defer { withExtendedLifetime(lock) {} }
        let bridge = try ensure(&host, undo: &undo)
        try pair.create(&host, in: netns, master: bridge.index)
        let veth = pair.hostName
        try undo.push("delete \(veth)") { () throws(CNIError) in
            var host = try Kernel.open()
            try host.deleteLink(ifExists: veth)
        }
        try configurePort(veth, &host)
        return bridge
    }

    /// Finds the bridge or makes it, and sees to it that it is up.
    public func ensure(_ host: inout Kernel, undo: inout UndoStack) throws(CNIError) -> Link {
        let found = try host.link(named: name)
        let bridge: Link
        if let found { bridge = found } else { bridge = try create(&host, undo: &undo) }
        guard bridge.kind == "bridge" else {
            throw CNIError(
                .invalidConfiguration,
                "\"\(name)\" already exists but is not a bridge",
                "bridge: it is a \"\(bridge.kind)\" interface; choose another name or remove it"
            )
        }
        if !bridge.isUp { try switchOn(bridge, &host, undo: &undo) }
        if settings.promiscMode && bridge.promiscuity == 0 {
            var promiscuous = LinkChange()
            promiscuous.isPromiscuous = true
            try change(promiscuous, &host)
            promiscuous.isPromiscuous = false
            let (name, before) = (name, promiscuous)
            try owe("make \(name) not promiscuous again", to: &undo) { host throws(CNIError) in
                var batch = MessageBatch()
                batch.setLink(name, before)
                try host.send(batch)
            }
        }
        return bridge
    }

    private func switchOn(_ bridge: Link, _ host: inout Kernel, undo: inout UndoStack) throws(CNIError) {
        let addresses = try host.addresses(of: bridge.index)
        // Before it goes up: a router on the link would give the host an address, and until the kernel is sure of the bridge's own
        // link-local address it asks for no container's hardware address by it.
        var changed: [(key: String, before: String)] = []
        for setting in ["accept_ra", "accept_dad"] {
            let key = "net/ipv6/conf/\(name)/\(setting)"
            if let before = try? Sysctl.ensure(key, "0") { changed.append((key, before)) }
        }
        try change(LinkChange.up, &host)
        try owe("switch \(name) off again", to: &undo) { [self] host throws(CNIError) in
            var off = LinkChange()
            off.isUp = false
            try change(off, &host)
            // The kernel takes IPv6 addresses away when an interface goes down, and lists them last one first.
            let left = try host.addresses(of: bridge.index).map { $0.prefix }
            var batch = MessageBatch()
            for address in addresses.reversed() where !left.contains(address.prefix) {
                batch.restoreAddress(address)
            }
            try host.send(batch)
            for setting in changed { try Sysctl.set(setting.key, setting.before) }
        }
    }

    private func create(_ host: inout Kernel, undo: inout UndoStack) throws(CNIError) -> Link {
        var batch = MessageBatch()
        // An address of its own: the kernel would take the lowest of the ports', which changes as they come and go.
        let mac = try VethPair.draw()
        let kind = NewLink.Kind.bridge(filtersVLANs: settings.needsVLANFiltering)
        // An MTU that comes with the message goes along with those of the ports later.
        batch.addLink(NewLink(name: name, kind: kind, mac: mac, mtu: settings.keepsMTU ? nil : settings.mtu))
        if settings.keepsMTU || !settings.alias.isEmpty {
            var own = LinkChange()
            own.mtu = settings.keepsMTU ? settings.mtu : nil
            own.alias = settings.alias.isEmpty ? nil : settings.alias
            // In the same batch, so that whoever is killed leaves no bridge that nobody knows for ours.
            batch.setLink(name, own)
        }
        var wasMade = true
        do throws(CNIError) { try host.send(batch) } catch {
            guard error.errno == .fileExists else {
                _ = try? host.deleteLink(ifExists: name)
                throw error
            }
            // Another ADD was faster, and its bridge is as good as ours.
            wasMade = false
        }
        if wasMade {
            let name = name
            try owe("delete the bridge \(name)", to: &undo, sparesEveryPort: true) { host throws(CNIError) in
                try host.deleteLink(ifExists: name)
            }
        }
        guard let bridge = try host.link(named: name) else {
            throw CNIError(.kernel, "the bridge \(name) vanished while it was being made", "try again")
        }
        return bridge
    }

    private func change(_ change: LinkChange, _ host: inout Kernel) throws(CNIError) {
        var batch = MessageBatch()
        batch.setLink(name, change)
        try host.send(batch)
    }

    /// Makes gateways and default routes out of what IPAM gave.
    public func completing(_ result: AddResult) -> AddResult {
        var result = result
        result.interfaces = []
        for position in result.ips.indices {
            result.ips[position].interface = 2
            if settings.isGateway && result.ips[position].gateway == nil {
                result.ips[position].gateway = result.ips[position].address.network.successor
            }
        }
        guard settings.isDefaultGateway else { return result }
        for (family, destination) in [(IPAddress.Family.v4, Prefix.defaultV4), (.v6, .defaultV6)] {
            let hasDefault = result.routes.contains { $0.destination == destination && $0.gateway != nil }
            if hasDefault { continue }
            if let gateway = result.ips.lazy.compactMap({ $0.gateway }).first(where: { $0.family == family }) {
                result.routes.append(RouteConfiguration(to: destination, via: gateway))
            }
        }
        return result
    }
}

extension BridgeDevice {
    /// Owes an act on what attachments share; it is left out if another one has come to use the bridge meanwhile.
    ///
    /// With `sparesEveryPort` it is also left out if anything else is a port of the bridge.
    public func owe(
        _ act: String,
        to undo: inout UndoStack,
        sparesEveryPort: Bool = false,
        _ body: @escaping (inout Kernel) throws(CNIError) -> Void
    ) throws(CNIError) {
        let (name, own) = (name, [ownPort, gatewayPort])
        try undo.push(act) { () throws(CNIError) in
            let lock = try SharedInterfaceLock.acquire(alone: true)
            defer { withExtendedLifetime(lock) {} }
            var host = try Kernel.open()
            guard let bridge = try host.link(named: name) else { return }
            let others = try host.links(master: bridge.index).filter { !own.contains($0.name) }
            if others.contains(where: { sparesEveryPort || Attachment.isAlias($0.alias) }) { return }
            try body(&host)
        }
    }
}
