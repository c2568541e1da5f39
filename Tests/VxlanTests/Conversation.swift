// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support

/// A TCP connection whose two ends are in two namespaces, held by one thread.
final class Conversation {
    private var (client, server): (CInt, CInt) = (-1, -1)

    /// Connects from one namespace to an address in another one; nothing if that takes longer than the kernel asks for a neighbour.
    init?(from first: ContainerNamespace, to address: String, in second: ContainerNamespace) throws {
        let listener = try second.inside { Endpoint.opened(address, SOCK_STREAM) }
        defer { close(listener) }
        client = try first.inside { Endpoint.opened(address, SOCK_STREAM) }
        guard Endpoint.with(address, { bind(listener, $0, $1) }) == 0, listen(listener, 4) == 0,
            Endpoint.with(address, { connect(client, $0, $1) }) == 0
        else {
            return nil
        }
        server = accept(listener, nil, nil)
        if server < 0 { return nil }
        Endpoint.limit(server)
    }

    deinit {
        if client >= 0 { close(client) }
        if server >= 0 { close(server) }
    }

    /// Whether bytes get through in both directions, enough of them to fill packets.
    func goesOn() -> Bool { passes(client, server) && passes(server, client) }

    /// The size of the largest segment that the first end sends.
    var segment: Int {
        var (segment, size) = (CInt(0), socklen_t(MemoryLayout<CInt>.size))
        getsockopt(client, CInt(IPPROTO_TCP), TCP_MAXSEG, &segment, &size)
        return Int(segment)
    }

    private func passes(_ from: CInt, _ to: CInt) -> Bool {
        // Less than the buffers hold, because nobody reads while it is written.
        let count = 30_000
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        guard send(from, bytes, count, Int32(MSG_NOSIGNAL)) == count else { return false }
        var received = [UInt8](repeating: 0, count: count)
        guard recv(to, &received, count, Int32(MSG_WAITALL)) == count else { return false }
        return received == bytes
    }
}

/// Single packets that must not be fragmented.
enum Datagram {
    /// How a packet fared.
    enum Fate {
        case arrived, refused, lost
    }

    /// Sends a packet of a size, counted with its IP header, from one namespace to an address in another one.
    static func send(
        _ size: Int,
        from first: ContainerNamespace,
        to address: String,
        in second: ContainerNamespace
    ) throws -> Fate {
        let receiver = try second.inside { Endpoint.opened(address, SOCK_DGRAM) }
        let sender = try first.inside { Endpoint.opened(address, SOCK_DGRAM) }
        defer {
            close(receiver)
            close(sender)
        }
        guard Endpoint.with(address, { bind(receiver, $0, $1) }) == 0 else { return .lost }
        var probe: CInt = 2
        let isVersion6 = address.contains(":")
        // IP_PMTUDISC_DO of IP_MTU_DISCOVER, IPV6_PMTUDISC_DO of IPV6_MTU_DISCOVER.
        let (level, option) = isVersion6 ? (CInt(IPPROTO_IPV6), CInt(23)) : (CInt(IPPROTO_IP), CInt(10))
        setsockopt(sender, level, option, &probe, socklen_t(MemoryLayout<CInt>.size))
        let bytes = [UInt8](repeating: 7, count: size - (isVersion6 ? 48 : 28))
        let sent = Endpoint.with(address) { sendto(sender, bytes, bytes.count, 0, $0, $1) == bytes.count ? 0 : -errno }
        if sent == -EMSGSIZE { return .refused }
        var buffer = [UInt8](repeating: 0, count: 65536)
        return recv(receiver, &buffer, buffer.count, 0) == bytes.count ? .arrived : .lost
    }
}

/// Sockets by the text of an address.
private enum Endpoint {
    private static let port: UInt16 = 8080

    /// Opens a socket in the namespace of the calling thread that does not wait for ever.
    static func opened(_ address: String, _ type: __socket_type) -> CInt {
        let family = address.contains(":") ? AF_INET6 : AF_INET
        let descriptor = socket(family, Int32(type.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        limit(descriptor)
        // An earlier conversation may still be known.
        var on: CInt = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<CInt>.size))
        return descriptor
    }

    static func limit(_ descriptor: CInt) {
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        for option in [SO_SNDTIMEO, SO_RCVTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    static func with(_ text: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
        if text.contains(":") {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            guard inet_pton(AF_INET6, text, &address.sin6_addr) == 1 else { return -1 }
            return bytes(&address, body)
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        guard inet_pton(AF_INET, text, &address.sin_addr) == 1 else { return -1 }
        return bytes(&address, body)
    }

    private static func bytes<Address>(
        _ address: inout Address,
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) -> CInt {
        let size = socklen_t(MemoryLayout<Address>.size)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, size) }
        }
    }
}
