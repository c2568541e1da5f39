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
    /// The number of the interface, once it is there.
    private var index: UInt32 = 0
    /// The groups by which neighbours will ask for the interface's addresses.
    private var groups: [IPAddress] = []

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
        let v6 = "net/ipv6/conf/\(name)"
        self.detectsDuplicates = detectsDuplicates
        try namespace.perform { () throws(CNIError) in
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

    /// Switches the interface on, gives it its addresses, and adds the routes.
    public mutating func configure(_ result: AddResult, in namespace: borrowing NetworkNamespace) throws(CNIError) {
        guard let link = try kernel.link(named: name) else {
            throw CNIError(.kernel, "the interface \(name) has gone from the container", "somebody else removed it")
        }
        index = link.index
        groups = result.ips.map { $0.address.address }.filter { $0.family == .v6 }.map { $0.solicitedNodeGroup }
        if !groups.isEmpty { try enableIPv6(in: namespace) }
        var batch = MessageBatch()
        if !result.ips.isEmpty && groups.isEmpty {
            // The link-local address that nobody asked for is announced to every port of the bridge, by each of them.
            batch.withholdLinkLocalAddress(name)
        }
        // Up before it has addresses, which the kernel would announce at that moment, to every port of the bridge; announce()
        // does so when it is sure that frames get through.
        batch.announceAddresses(name)
        batch.setLink(name, .up)
        for ip in result.ips {
            batch.addAddress(ip.address, to: index, detectsDuplicates: detectsDuplicates)
        }
        let waits = detectsDuplicates && result.ips.contains { $0.address.address.family == .v6 && $0.gateway != nil }
        if waits {
            try kernel.send(batch)
            try waitForUniqueness()
            batch = MessageBatch()
        }
        for route in result.routes { batch.addRoute(Route(route, through: result.ips, interface: index)) }
        try kernel.send(batch)
    }

    /// Tells the neighbours whose the addresses are now, which they may have known as somebody else's.
    ///
    /// To be called when frames get through. The kernel announces addresses when the hardware address is set, even to what
    /// it was; its announcement when the interface goes up comes too early for a bridge port.
    public mutating func announce(_ mac: MACAddress) throws(CNIError) {
        try waitForGroups()
        try set(mac)
    }

    /// Sets the hardware address.
    public mutating func set(_ mac: MACAddress) throws(CNIError) {
        var change = LinkChange()
        change.mac = mac
        var batch = MessageBatch()
        batch.setLink(name, change)
        try kernel.send(batch)
    }

    /// Waits until the interface hears who asks for its IPv6 addresses.
    ///
    /// The kernel joins their groups in a work queue, behind a lock that is held for long where many namespaces come and go.
    /// Until then questions are lost, and who asked repeats them only after a second.
    private mutating func waitForGroups() throws(CNIError) {
        if groups.isEmpty { return }
        let (index, groups) = (index, groups)
        try wait(
            "\(name) does not hear its neighbours",
            "the kernel has not joined the groups of its IPv6 addresses",
            lookingEveryMilliseconds: 1
        ) { kernel throws(CNIError) in
            let joined = try kernel.groups(of: index)
            return groups.allSatisfy { joined.contains($0) }
        }
    }

    /// Waits until no address of the interface is tentative, looking again whenever the time of a probe has passed.
    private mutating func waitForUniqueness() throws(CNIError) {
        let (index, name) = (index, name)
        try wait(
            "addresses of \(name) are still tentative",
            "duplicate address detection did not end",
            lookingEveryMilliseconds: 20
        ) { kernel throws(CNIError) in
            let addresses = try kernel.addresses(of: index)
            if let failed = addresses.first(where: { $0.hasFailed }) {
                throw CNIError(
                    .addressUnavailable,
                    "link \(name) has address \(failed.prefix.address.description) in DADFAILED state",
                    "another machine on the link has the address"
                )
            }
            return !addresses.contains { $0.isTentative }
        }
    }

    private mutating func wait(
        _ complaint: String,
        _ reason: String,
        lookingEveryMilliseconds interval: Int,
        until isDone: (inout Kernel) throws(CNIError) -> Bool
    ) throws(CNIError) {
        let end = Clock.monotonicNanoseconds() + 10_000_000_000
        while try !isDone(&kernel) {
            guard Clock.monotonicNanoseconds() < end else {
                throw CNIError(.tryAgain, complaint + " after 10 s", reason)
            }
            _ = Poll.isReadable(-1, timeoutMilliseconds: interval)
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
