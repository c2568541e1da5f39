// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Linux
import Netlink

/// The interface in the container: its kernel settings, addresses and routes.
public struct ContainerInterface: ~Copyable {
    private var kernel: Kernel
    private let name: String
    private var detectsDuplicates = false

    /// Opens a socket in the container's namespace, for an interface that must not exist yet.
    ///
    /// Looked for before anything is done: what is found may be in use, and undoing our own work must not take from it.
    public static func open(
        _ attachment: Attachment,
        in namespace: borrowing NetworkNamespace
    ) throws(CNIError) -> ContainerInterface {
        var kernel = try namespace.perform { () throws(CNIError) in try Kernel.open() }
        let name = attachment.interface
        if try kernel.link(named: name) != nil {
            throw CNIError(
                .interfaceExists,
                "container veth name (\"\(name)\") peer provided (\"\(attachment.hostInterface)\") already exists",
                "the container has an interface \(name): send DEL first, remove it, or set CNI_IFNAME to another name"
            )
        }
        return ContainerInterface(kernel: kernel, name: name)
    }

    private init(kernel: consuming Kernel, name: String) {
        self.kernel = kernel
        self.name = name
    }

    /// Sets what must be set before the interface is switched on.
    ///
    /// Addresses come from IPAM alone, so routers are not listened to; and neighbours learn of a change at once.
    ///
    /// `detectsDuplicates` tells whether IPv6 addresses are first announced to the link, which takes seconds.
    public mutating func prepare(in namespace: borrowing NetworkNamespace, detectsDuplicates: Bool) throws(CNIError) {
        let (v4, v6) = ("net/ipv4/conf/\(name)", "net/ipv6/conf/\(name)")
        self.detectsDuplicates = detectsDuplicates
        try namespace.perform { () throws(CNIError) in
            try Sysctl.set("\(v4)/arp_notify", "1")
            try Sysctl.set("\(v6)/ndisc_notify", "1")
            try Sysctl.set("\(v6)/accept_ra", "0")
            try Sysctl.set("\(v6)/accept_dad", detectsDuplicates ? "1" : "0")
            if detectsDuplicates { try Sysctl.set("\(v6)/enhanced_dad", "1") }
        }
    }

    /// Sees to it that the kernel takes IPv6 addresses and keeps them when the interface goes down for a moment.
    private func enableIPv6(in namespace: borrowing NetworkNamespace) throws(CNIError) {
        try namespace.perform { () throws(CNIError) in
            try Sysctl.set("net/ipv6/conf/lo/disable_ipv6", "0")
            try Sysctl.set("net/ipv6/conf/\(name)/disable_ipv6", "0")
            try Sysctl.set("net/ipv6/conf/\(name)/keep_addr_on_down", "1")
        }
    }

    /// Gives the interface its addresses, switches it on, and adds the routes.
    public mutating func configure(_ result: AddResult, in namespace: borrowing NetworkNamespace) throws(CNIError) {
        guard let link = try kernel.link(named: name) else {
            throw CNIError(.kernel, "the interface \(name) has gone from the container", "somebody else removed it")
        }
        if result.ips.contains(where: { $0.address.address.family == .v6 }) { try enableIPv6(in: namespace) }
        var batch = MessageBatch()
        for ip in result.ips {
            batch.addAddress(ip.address, to: link.index, detectsDuplicates: detectsDuplicates)
        }
        if !result.ips.isEmpty && !result.ips.contains(where: { $0.address.address.family == .v6 }) {
            // The link-local address that nobody asked for is announced to every port of the bridge, by each of them.
            batch.withholdLinkLocalAddress(name)
        }
        batch.setLink(name, .up)
        let waits = detectsDuplicates && result.ips.contains { $0.address.address.family == .v6 && $0.gateway != nil }
        if waits {
            try kernel.send(batch)
            try waitForUniqueness(of: link.index)
            batch = MessageBatch()
        }
        for route in result.routes { batch.addRoute(Route(route, through: result.ips, interface: link.index)) }
        try kernel.send(batch)
    }

    /// Tells the neighbours whose the addresses are now, which they may have known as somebody else's.
    ///
    /// To be called when frames get through. The kernel announces addresses when the hardware address is set, even to what
    /// it was; its announcement when the interface goes up comes too early for a bridge port.
    public mutating func announce(_ mac: MACAddress) throws(CNIError) {
        var change = LinkChange()
        change.mac = mac
        var batch = MessageBatch()
        batch.setLink(name, change)
        try kernel.send(batch)
    }

    /// Waits until no address of the interface is tentative, looking again whenever the time of a probe has passed.
    private mutating func waitForUniqueness(of index: UInt32) throws(CNIError) {
        let start = Clock.monotonicNanoseconds()
        while true {
            let addresses = try kernel.addresses(of: index)
            if let failed = addresses.first(where: { $0.hasFailed }) {
                throw CNIError(
                    .addressUnavailable,
                    "link \(name) has address \(failed.prefix.address.description) in DADFAILED state",
                    "another machine on the link has the address"
                )
            }
            if !addresses.contains(where: { $0.isTentative }) { return }
            guard Clock.monotonicNanoseconds() - start < 5_000_000_000 else {
                throw CNIError(
                    .tryAgain,
                    "addresses of \(name) are still tentative after 5 s",
                    "duplicate address detection did not end"
                )
            }
            _ = Poll.isReadable(-1, timeoutMilliseconds: 20)
        }
    }
}

extension LinkChange {
    /// The change that switches an interface on.
    public static var up: LinkChange {
        var change = LinkChange()
        change.isUp = true
        return change
    }
}

extension Route {
    /// The route of a result; without a gateway of its own it takes that of an address of the same family.
    init(_ route: RouteConfiguration, through ips: [IPConfiguration], interface: UInt32) {
        let family = route.destination.address.family
        let gateway = route.gateway ?? ips.lazy.compactMap { $0.gateway }.first { $0.family == family }
        // A route whose scope is the link goes to neighbours, so nobody stands between.
        self.init(
            to: route.destination,
            via: route.scope == 253 && route.gateway == nil ? nil : gateway,
            interface: interface
        )
        priority = route.priority ?? 0
        table = route.table ?? 254
        scope = route.scope ?? 0
        (mtu, advertisedMSS) = (route.mtu, route.advertisedMSS)
    }
}

extension Request {
    /// Waits until no other ADD works in the container, and keeps those that come out until this one is done, or undone.
    ///
    /// Of two ADDs of one attachment the later one must see what the earlier one made, and touch nothing of it.
    public func awaitOtherADDs(
        in namespace: borrowing NetworkNamespace,
        undo: inout UndoStack
    ) throws(CNIError) {
        if NetworkNamespace.isCurrent(netns) { return }
        undo.keep(
            try CNIError.attempt("wait for another ADD") { () throws(Errno) in
                try namespace.lock(shared: false, limitMilliseconds: 30_000)
            }
        )
    }
}
