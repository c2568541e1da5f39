// SPDX-License-Identifier: Apache-2.0

import Addressing
import JSON

/// What ADD made, in the shape of the newest version; older shapes exist only at the edges.
///
/// Members that this code does not know are kept, and come out again when the version is the one they came in with.
public struct AddResult: Sendable {
    /// The interfaces that were made, on the host and in the container.
    public var interfaces: [Interface]
    /// The addresses that were given.
    public var ips: [IPConfiguration]
    /// The routes that were asked for.
    public var routes: [RouteConfiguration]
    /// What the container should know about name servers.
    public var dns: DNS
    var unknown: [JSONObject.Member] = []
    var source: Version?

    /// Makes a result.
    public init(
        interfaces: [Interface] = [],
        ips: [IPConfiguration] = [],
        routes: [RouteConfiguration] = [],
        dns: DNS = DNS()
    ) {
        self.interfaces = interfaces
        self.ips = ips
        self.routes = routes
        self.dns = dns
    }
}

/// An interface of a result.
public struct Interface: Sendable {
    /// The name.
    public var name: String
    /// The hardware address as text; empty if there is none.
    public var mac: String
    /// The namespace of the container; empty for an interface on the host.
    public var sandbox: String
    /// The largest packet in bytes, if it is reported.
    public var mtu: UInt32?
    /// The socket of an interface in user space.
    public var socketPath: String?
    /// The PCI device behind the interface.
    public var pciID: String?
    var unknown: [JSONObject.Member] = []

    /// Makes an interface.
    public init(name: String, mac: String = "", sandbox: String = "", mtu: UInt32? = nil) {
        self.name = name
        self.mac = mac
        self.sandbox = sandbox
        self.mtu = mtu
    }
}

/// An address of a result.
public struct IPConfiguration: Sendable {
    /// The address with the length of its network.
    public var address: Prefix
    /// The gateway of the network, which is not yet a route.
    public var gateway: IPAddress?
    /// The position of the interface in the list of interfaces.
    public var interface: Int?
    var unknown: [JSONObject.Member] = []

    /// Makes an address.
    public init(address: Prefix, gateway: IPAddress? = nil, interface: Int? = nil) {
        self.address = address
        self.gateway = gateway
        self.interface = interface
    }
}

/// A route of a result or of a configuration.
public struct RouteConfiguration: Sendable {
    /// Where packets are going.
    public var destination: Prefix
    /// The next hop; if it is missing, the gateway of an address of the same family.
    public var gateway: IPAddress?
    /// The largest packet in bytes.
    public var mtu: UInt32?
    /// The segment size to announce to TCP peers.
    public var advertisedMSS: UInt32?
    /// The metric.
    public var priority: UInt32?
    /// The number of the table.
    public var table: UInt32?
    /// The scope: 0 is global, 253 the link, 254 the host.
    public var scope: UInt8?
    var unknown: [JSONObject.Member] = []

    /// Makes a route.
    public init(to destination: Prefix, via gateway: IPAddress? = nil) {
        self.destination = destination
        self.gateway = gateway
    }
}

/// What a container should know about name servers: resolv.conf(5).
public struct DNS: Equatable, Sendable {
    /// The addresses of the servers.
    public var nameservers: [String] = []
    /// The local domain.
    public var domain = ""
    /// The domains to search.
    public var search: [String] = []
    /// The options.
    public var options: [String] = []

    /// Makes an empty one.
    public init() {}

    /// Whether nothing is set.
    public var isEmpty: Bool { nameservers.isEmpty && domain.isEmpty && search.isEmpty && options.isEmpty }
}
