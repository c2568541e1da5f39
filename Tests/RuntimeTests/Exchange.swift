// SPDX-License-Identifier: Apache-2.0

import Glibc
import Linux

/// A word that goes from one place to another and comes back.
///
/// Both sockets are those of one thread, each in its own namespace, so an answer can come from nobody else.
struct Exchange {
    /// What carries the word.
    enum Transport: Int32, CaseIterable, Sendable {
        /// A connection.
        case tcp = 1
        /// A packet.
        case udp = 2
    }

    /// What carries the word.
    var transport = Transport.tcp
    /// The port of the client; any if it is 0.
    var clientPort: UInt16 = 0
    /// How long the word may take.
    var limitMilliseconds: Int64 = 10_000

    private static let word = Array("does it get through?".utf8)

    /// Sends the word from a place to an address, to be answered by a port that is open at another place meanwhile.
    ///
    /// - Returns: The address from which the server saw it come; nothing if it or its answer was lost.
    func from(
        _ client: Place,
        to address: String,
        _ port: UInt16,
        at server: Place,
        _ serverPort: UInt16
    ) throws -> String? {
        let isVersion6 = address.contains(":")
        let listener = try server.inside { try opened(isVersion6, isVersion6 ? "::" : "0.0.0.0", serverPort) }
        defer { close(listener) }
        if transport == .tcp, listen(listener, 4) != 0 { throw Errno(errno) }
        let socket = try client.inside { try opened(isVersion6, isVersion6 ? "::" : "0.0.0.0", clientPort) }
        defer { close(socket) }
        let started = SocketAddress(address, port).with { connect(socket, $0, $1) }
        if started != 0, errno != EINPROGRESS { return nil }
        return transport == .tcp ? converse(socket, listener) : bounce(socket, listener)
    }

    private func opened(_ isVersion6: Bool, _ address: String, _ port: UInt16) throws -> CInt {
        let flags = CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
        let socket = socket(isVersion6 ? AF_INET6 : AF_INET, transport.rawValue | flags, 0)
        var on: CInt = 1
        let size = socklen_t(MemoryLayout<CInt>.size)
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, size)
        if isVersion6 { setsockopt(socket, CInt(IPPROTO_IPV6), IPV6_V6ONLY, &on, size) }
        guard SocketAddress(address, port).with({ bind(socket, $0, $1) }) == 0 else {
            let code = errno
            close(socket)
            throw Errno(code)
        }
        return socket
    }

    /// The way of a connection: accepted, asked, answered.
    private func converse(_ socket: CInt, _ listener: CInt) -> String? {
        guard isReady(listener, POLLIN) else { return nil }
        var peer = SocketAddress()
        let accepted = peer.receive { accept(listener, $0, $1) }
        guard accepted >= 0 else { return nil }
        defer { close(accepted) }
        guard isReady(socket, POLLOUT), send(socket, Self.word, Self.word.count, 0) == Self.word.count,
            isReady(accepted, POLLIN), isWord(accepted),
            send(accepted, Self.word, Self.word.count, CInt(MSG_NOSIGNAL)) == Self.word.count,
            isReady(socket, POLLIN), isWord(socket)
        else {
            return nil
        }
        return peer.text
    }

    /// The way of a packet: received, sent back to where it came from.
    private func bounce(_ socket: CInt, _ listener: CInt) -> String? {
        guard send(socket, Self.word, Self.word.count, 0) == Self.word.count, isReady(listener, POLLIN) else {
            return nil
        }
        var buffer = [UInt8](repeating: 0, count: 64)
        var peer = SocketAddress()
        let count = peer.receive { CInt(recvfrom(listener, &buffer, buffer.count, 0, $0, $1)) }
        guard count == Self.word.count else { return nil }
        let answered = peer.with { CInt(sendto(listener, Self.word, Self.word.count, 0, $0, $1)) }
        return answered == Self.word.count && isReady(socket, POLLIN) && isWord(socket) ? peer.text : nil
    }

    private func isReady(_ socket: CInt, _ event: CInt) -> Bool {
        var wait = pollfd(fd: socket, events: Int16(event), revents: 0)
        return poll(&wait, 1, CInt(limitMilliseconds)) == 1 && wait.revents & Int16(event) != 0
    }

    private func isWord(_ socket: CInt) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = recv(socket, &buffer, buffer.count, 0)
        return count > 0 && Array(buffer.prefix(count)) == Self.word
    }
}
