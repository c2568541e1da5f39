// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Another host on the wire of the test's own.
///
///     outside 192.0.2.2 -- 192.0.2.1 host
///
/// The host is the namespace of the thread that makes it; IPv6 has the same numbers below 2001:db8::. The other host sends
/// answers to the addresses of containers, 10.0.0.0/8 and fd00::/8, to this one.
public final class Wire {
    /// The addresses of the host on the wire.
    public static let hostAddresses = ["192.0.2.1", "2001:db8::1"]
    /// The addresses of the other host.
    public static let outsideAddresses = ["192.0.2.2", "2001:db8::2"]

    /// The other host.
    public let outside: ContainerNamespace

    /// Makes the wire, with the kernel's passing of bridged packets to iptables on or off, and with forwarding on if that is wanted.
    public init(bridgedPacketsAreFiltered: Bool = true, forwards: Bool = true) throws {
        outside = try ContainerNamespace(named: "outside")
        // Until the kernel has asked around for a bridge's link-local address it asks for no neighbour of others either.
        for name in ["default", "all"] { try Self.set("ipv6/conf/\(name)/accept_dad", "0") }
        for name in ["iptables", "ip6tables"] {
            // Where the kernel has no such setting, it is off.
            try? Self.set("bridge/bridge-nf-call-\(name)", bridgedPacketsAreFiltered ? "1" : "0")
        }
        try Self.ip(
            "link add up0 type veth peer name eth0 netns \(outside.path)",
            "address add 192.0.2.1/24 dev up0",
            "address add 2001:db8::1/64 dev up0 nodad",
            "link set up0 up"
        )
        try outside.inside {
            try Self.ip(
                "link set lo up",
                "address add 192.0.2.2/24 dev eth0",
                "address add 2001:db8::2/64 dev eth0 nodad",
                "link set eth0 up",
                "route add 10.0.0.0/8 via 192.0.2.1",
                "route add fd00::/8 via 2001:db8::1"
            )
        }
        if forwards { try Self.forward() }
    }

    /// Switches forwarding on.
    public static func forward() throws {
        for path in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] { try set(path, "1") }
    }

    /// Writes a setting of the network.
    public static func set(_ path: String, _ value: String) throws {
        try value.write(toFile: "/proc/sys/net/\(path)", atomically: false, encoding: .ascii)
    }

    /// Runs ip(8) with each of some lines.
    public static func ip(_ lines: String...) throws {
        for line in lines { try Programs.run("ip", line.split(separator: " ").map { String($0) }) }
    }

    /// The address from which a server sees a client come; nothing if it sees nobody, or its answer doesn't come back.
    ///
    /// `client` and `server` are containers, or nothing for the host. The client asks for `target`, which is the server's address
    /// and port unless something else is named, and sends from `source` if that is named.
    public static func source(
        from client: ContainerNamespace?,
        as source: String? = nil,
        to server: ContainerNamespace?,
        at address: String,
        port: UInt16 = 7000,
        through target: (address: String, port: UInt16)? = nil,
        milliseconds: Int = InternetSocket.patience
    ) throws -> String? {
        func place<Value>(_ namespace: ContainerNamespace?, _ body: () throws -> Value) throws -> Value {
            try namespace.map { try $0.inside(body) } ?? body()
        }
        let target = target ?? (address, port)
        let listener = try place(server) { try InternetSocket(.datagram, at: address, port: port) }
        let wildcard = target.address.contains(":") ? "::" : "0.0.0.0"
        let caller = try place(client) { try InternetSocket(.datagram, at: source ?? wildcard) }
        caller.send("hello", to: target.address, port: target.port)
        guard let (_, sender) = listener.receiveWithSender(milliseconds: milliseconds) else { return nil }
        listener.send("answer", to: sender)
        guard caller.receive(milliseconds: milliseconds) == "answer" else { return nil }
        return sender.address
    }
}
