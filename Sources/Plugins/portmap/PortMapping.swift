// SPDX-License-Identifier: Apache-2.0

import Addressing
import JSON
import NFTables

/// A port of the host that leads to a port of the container.
struct PortMapping: Equatable, Sendable {
    /// The protocols that have ports, as packet filters call them.
    enum Transport: String, Sendable {
        case tcp
        case udp
        case sctp
    }

    let transport: Transport
    let hostPort: Int
    let containerPort: Int
    /// The host's address; nothing for all of them.
    let hostIP: IPAddress?
    /// The family, if the configuration limits it.
    private let family: IPAddress.Family?

    /// Reads an entry of runtimeConfig.portMappings, whose keys runtimes write in different cases.
    init(_ node: ConfigNode) throws(ConfigError) {
        containerPort = try Self.port(node, "containerPort", "Invalid container port number")
        hostPort = try Self.port(node, "hostPort", "Invalid host port number")
        var transport = Transport.tcp
        if let named = try node.member("protocol"), case let name = try named.string(), !name.isEmpty {
            // ASCII alone: the cases of all of Unicode would make the plugin 18 kB larger.
            let lowercase = String(decoding: name.utf8.map { 65...90 ~= $0 ? $0 | 32 : $0 }, as: UTF8.self)
            guard let known = Transport(rawValue: lowercase) else {
                throw named.fails("the protocol \"\(name)\" has no ports to map; there are tcp, udp and sctp")
            }
            transport = known
        }
        self.transport = transport
        guard let named = try node.member("hostIP"), case let text = try named.string(), !text.isEmpty else {
            (hostIP, family) = (nil, nil)
            return
        }
        guard let address = IPAddress(text) else { throw named.fails("\"\(text)\" is not an IP address") }
        (hostIP, family) = (address.isUnspecified ? nil : address, address.family)
    }

    private static func port(_ node: ConfigNode, _ key: String, _ problem: String) throws(ConfigError) -> Int {
        guard let port = try node.member(key) else { throw node.fails("\(problem): \(key) is missing") }
        let number = try port.integer(in: Int64(Int32.min)...Int64(UInt32.max))
        guard 1...65535 ~= number else { throw port.fails("\(problem): \(number) is not between 1 and 65535") }
        return Int(number)
    }

    /// Whether the mapping is for addresses of a family.
    func applies(to family: IPAddress.Family) -> Bool { self.family == nil || self.family == family }

    /// Whether another one wants the same port of the same address.
    func isRival(of other: PortMapping) -> Bool {
        transport == other.transport && hostPort == other.hostPort && hostIP == other.hostIP && family == other.family
    }

    /// Host address and port with the protocol, for people.
    var description: String {
        joined(hostIP?.description ?? "*", " ", transport.rawValue, " ", String(hostPort))
    }

    /// What mappings are sorted by: those for one address go first, and those of neighbouring ports come one after the other.
    static func precedes(_ left: PortMapping, _ right: PortMapping) -> Bool {
        if left.hostIP != right.hostIP {
            guard let mine = left.hostIP, let other = right.hostIP else { return left.hostIP != nil }
            return mine < other
        }
        if left.transport != right.transport { return left.transport.rawValue < right.transport.rawValue }
        return left.hostPort < right.hostPort
    }
}
