// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Connections that are made by the kernel alone: a socket belongs to the namespace in which it was opened.
enum Sockets {
    /// Whether a TCP connection comes about, from the namespace of the client's body to an address in that of the server's.
    static func connects(
        to address: String,
        server: (() throws -> Bool) throws -> Bool,
        client: (() throws -> Bool) throws -> Bool
    ) throws -> Bool {
        var listener: CInt = -1
        defer { if listener >= 0 { close(listener) } }
        let listens = try server {
            listener = opened(address)
            return unsafe withAddress(address) { unsafe bind(listener, $0, $1) } == 0 && listen(listener, 4) == 0
        }
        guard listens else { return false }
        return try client {
            let socket = opened(address)
            defer { close(socket) }
            var limit = timeval(tv_sec: 10, tv_usec: 0)
            _ = unsafe setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
            return unsafe withAddress(address) { unsafe connect(socket, $0, $1) } == 0
        }
    }

    private static let port: UInt16 = 8080

    private static func opened(_ address: String) -> CInt {
        let family = address.contains(":") ? AF_INET6 : AF_INET
        return socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    }

    private static func withAddress(_ text: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
        if text.contains(":") {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            guard unsafe inet_pton(AF_INET6, text, &address.sin6_addr) == 1 else { return -1 }
            return unsafe withBytes(of: &address, body)
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        guard unsafe inet_pton(AF_INET, text, &address.sin_addr) == 1 else { return -1 }
        return unsafe withBytes(of: &address, body)
    }

    private static func withBytes<Address>(
        of address: inout Address,
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) -> CInt {
        let size = socklen_t(MemoryLayout<Address>.size)
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, size) }
        }
    }
}
