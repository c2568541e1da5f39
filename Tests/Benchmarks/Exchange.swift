// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A TCP connection between two containers, both ends of which are here.
final class Exchange {
    private var (client, server): (Int32, Int32) = (-1, -1)
    private static let port: UInt16 = 5001

    /// Connects two namespaces.
    init(from first: String, to address: String, in second: String) throws {
        let listener = try Listener(in: second, port: Self.port)
        (client, server) = try listener.open(from: first, to: address, port: Self.port)
        for end in [client, server] {
            var on: Int32 = 1
            setsockopt(end, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        }
    }

    deinit { for end in [client, server] where end >= 0 { close(end) } }

    /// Sends so many bytes one way, and returns the milliseconds until the last has arrived.
    func stream(_ count: Int) throws -> Double {
        let client = client
        let begin = Clock.milliseconds
        let sender = Thread { Self.send(count, to: client) }
        sender.start()
        var buffer = [UInt8](repeating: 0, count: 1 << 17)
        var rest = count
        while rest > 0 {
            let received = recv(server, &buffer, buffer.count, 0)
            guard received > 0 else { throw Failure("a connection between containers broke") }
            rest -= received
        }
        return Clock.milliseconds - begin
    }

    /// Sends one byte there and another one back so many times, and returns the milliseconds that it took.
    ///
    /// One thread has both ends, so that nothing but the way of the packets is measured: nobody is woken up.
    func roundTrips(_ count: Int) throws -> Double {
        var byte: UInt8 = 1
        let begin = Clock.milliseconds
        for _ in 0..<count {
            for (from, to) in [(client, server), (server, client)] {
                guard Glibc.send(from, &byte, 1, 0) == 1, recv(to, &byte, 1, 0) == 1 else {
                    throw Failure("a connection between containers broke")
                }
            }
        }
        return Clock.milliseconds - begin
    }

    /// Sends bytes that mean nothing; who receives them notices if it fails.
    private static func send(_ count: Int, to descriptor: Int32) {
        let buffer = [UInt8](repeating: 1, count: 1 << 17)
        var rest = count
        while rest > 0 {
            let sent = Glibc.send(descriptor, buffer, min(rest, buffer.count), Int32(MSG_NOSIGNAL))
            if sent <= 0 { return }
            rest -= sent
        }
    }
}
