// SPDX-License-Identifier: Apache-2.0

import Glibc
import Linux

/// A socket of TCP or UDP, in the namespace of the thread that opened it.
public final class InternetSocket: Sendable {
    /// The two kinds, by the number that the kernel knows them by.
    public enum Kind: Sendable {
        /// A stream: TCP.
        case stream
        /// Single packets: UDP.
        case datagram
    }

    private let descriptor: CInt

    /// Opens a socket at an address and a port, which is of the kernel's choice if it is 0; a stream listens there.
    public init(_ kind: Kind, at address: String, port: UInt16 = 0) throws {
        descriptor = try Self.open(kind, address)
        var on: CInt = 1
        _ = setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, 4)
        let number = descriptor
        var result = SocketAddress(address, port).use { bind(number, $0, $1) }
        if result == 0, kind == .stream, port != 0 { result = listen(number, 16) }
        if result != 0 { throw SpawnFailure(Errno(errno), "bind a socket to \(address) port \(port)") }
    }

    private init(owning descriptor: CInt) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    private static func open(_ kind: Kind, _ address: String) throws -> CInt {
        let type = kind == .stream ? SOCK_STREAM : SOCK_DGRAM
        let family = address.contains(":") ? AF_INET6 : AF_INET
        let number = socket(family, Int32(type.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        if number < 0 { throw SpawnFailure(Errno(errno), "open a socket") }
        return number
    }

    /// How long is waited for what must come, in milliseconds.
    ///
    /// It is longer than the kernel needs to ask for a neighbour, or to connect, again and again. Who expects that nothing comes
    /// names a short time.
    public static let patience = 10_000

    /// Connects to an address; false if nobody answers within the time, or somebody refuses.
    public func connects(to address: String, port: UInt16, milliseconds: Int = patience) -> Bool {
        var limit = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
        _ = setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        return SocketAddress(address, port).use { connect(descriptor, $0, $1) } == 0
    }

    /// Takes the next connection; nothing if none comes within the time.
    public func accept(milliseconds: Int = patience) -> InternetSocket? {
        guard isReadable(milliseconds) else { return nil }
        let number = Glibc.accept(descriptor, nil, nil)
        return number < 0 ? nil : InternetSocket(owning: number)
    }

    /// The other end of a connection.
    public var peer: SocketAddress? {
        var address = SocketAddress()
        return address.fill { Int(getpeername(descriptor, $0, $1)) } == 0 ? address : nil
    }

    /// Sends a text over a connection.
    public func send(_ text: String) { _ = Glibc.send(descriptor, text, text.utf8.count, Int32(MSG_NOSIGNAL)) }

    /// Sends a text as one packet; false if the kernel did not take it.
    @discardableResult
    public func send(_ text: String, to address: String, port: UInt16) -> Bool {
        SocketAddress(address, port).use { sendto(descriptor, text, text.utf8.count, 0, $0, $1) == -1 ? -1 : 0 } == 0
    }

    /// Joins a multicast group on an interface.
    public func join(_ group: String, on interface: String) throws {
        let index = CInt(if_nametoindex(interface))
        var result: CInt
        if group.contains(":") {
            var request = ipv6_mreq()
            inet_pton(AF_INET6, group, &request.ipv6mr_multiaddr)
            request.ipv6mr_interface = UInt32(index)
            result = setsockopt(
                descriptor,
                CInt(IPPROTO_IPV6),
                IPV6_JOIN_GROUP,
                &request,
                socklen_t(MemoryLayout<ipv6_mreq>.size)
            )
        } else {
            var request = ip_mreqn()
            inet_pton(AF_INET, group, &request.imr_multiaddr)
            request.imr_ifindex = index
            result = setsockopt(
                descriptor,
                CInt(IPPROTO_IP),
                IP_ADD_MEMBERSHIP,
                &request,
                socklen_t(MemoryLayout<ip_mreqn>.size)
            )
        }
        if result != 0 { throw SpawnFailure(Errno(errno), "join \(group) on \(interface)") }
    }

    /// The next text that arrives; nothing if none does within the time, or somebody refused.
    public func receive(milliseconds: Int = patience) -> String? { receiveWithSender(milliseconds: milliseconds)?.text }

    /// The next text that arrives, with the address and port from which it came.
    public func receiveWithSender(milliseconds: Int = patience) -> (text: String, sender: SocketAddress)? {
        guard isReadable(milliseconds) else { return nil }
        var buffer = [UInt8](repeating: 0, count: 2048)
        var sender = SocketAddress()
        let count = sender.fill { recvfrom(descriptor, &buffer, buffer.count, 0, $0, $1) }
        return count < 0 ? nil : (String(decoding: buffer.prefix(count), as: UTF8.self), sender)
    }

    /// Sends a text back to where a packet came from.
    public func send(_ text: String, to sender: SocketAddress) {
        _ = sender.use { Int32(sendto(descriptor, text, text.utf8.count, 0, $0, $1)) }
    }

    private func isReadable(_ milliseconds: Int) -> Bool {
        var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&wait, 1, CInt(milliseconds)) == 1
    }
}

/// An address with a port, as the kernel takes it.
public struct SocketAddress: Sendable {
    private var storage = sockaddr_storage()
    private var length = socklen_t(MemoryLayout<sockaddr_storage>.size)

    /// Makes room for an address that a call of the kernel writes.
    public init() {}

    /// Makes the address of a text; one that is none is the unspecified address.
    public init(_ text: String, _ port: UInt16) {
        var bytes: [UInt8]
        if text.contains(":") {
            // struct sockaddr_in6: family, port, flow, address, scope.
            bytes = [UInt8](repeating: 0, count: 28)
            bytes[0] = UInt8(AF_INET6)
            var address = in6_addr()
            inet_pton(AF_INET6, text, &address)
            withUnsafeBytes(of: address) { for (index, byte) in $0.enumerated() { bytes[8 + index] = byte } }
        } else {
            // struct sockaddr_in: family, port, address, padding.
            bytes = [UInt8](repeating: 0, count: 16)
            bytes[0] = UInt8(AF_INET)
            var address = in_addr()
            inet_pton(AF_INET, text, &address)
            withUnsafeBytes(of: address) { for (index, byte) in $0.enumerated() { bytes[4 + index] = byte } }
        }
        (bytes[2], bytes[3]) = (UInt8(port >> 8), UInt8(port & 0xff))
        length = socklen_t(bytes.count)
        withUnsafeMutableBytes(of: &storage) { $0.copyBytes(from: bytes) }
    }

    /// The port.
    public var port: UInt16 {
        withUnsafeBytes(of: storage) { UInt16($0[2]) << 8 | UInt16($0[3]) }
    }

    /// The address as text.
    public var address: String {
        var text = [CChar](repeating: 0, count: 64)
        withUnsafeBytes(of: storage) { bytes in
            let isV6 = bytes[0] == UInt8(AF_INET6)
            guard let start = bytes.baseAddress else { return }
            _ = inet_ntop(isV6 ? AF_INET6 : AF_INET, start + (isV6 ? 8 : 4), &text, 64)
        }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Lends the address to a call of the kernel.
    public func use(_ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
        withUnsafePointer(to: storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }

    /// Has a call of the kernel write the address.
    public mutating func fill(_ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int) -> Int {
        withUnsafeMutablePointer(to: &length) { length in
            withUnsafeMutablePointer(to: &storage) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
            }
        }
    }
}
