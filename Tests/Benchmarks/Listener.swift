// SPDX-License-Identifier: Apache-2.0

import Foundation
import Linux

/// A server in a container that takes connections and ends them.
final class Listener {
    private let descriptor: Int32

    /// Listens in a namespace.
    init(in namespace: String, port: UInt16) throws {
        descriptor = try inNamespace(namespace) { () throws(Failure) in
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = Self.address("0.0.0.0", port)
            let bound = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            guard descriptor >= 0, bound == 0, listen(descriptor, 128) == 0 else {
                throw Failure("cannot listen in \(namespace): \(String(cString: strerror(Glibc.errno)))")
            }
            return descriptor
        }
    }

    deinit { close(descriptor) }

    /// Makes so many connections one after the other, and returns the milliseconds that they took.
    func connect(_ count: Int, from namespace: String, to host: String, port: UInt16) throws -> Double {
        try inNamespace(namespace) { () throws(Failure) in
            let begin = Clock.milliseconds
            for _ in 0..<count {
                let (client, server) = try open(to: host, port: port)
                // Ended by a reset, so that neither side remembers it.
                var ending = linger(l_onoff: 1, l_linger: 0)
                setsockopt(client, SOL_SOCKET, SO_LINGER, &ending, socklen_t(MemoryLayout<linger>.size))
                close(client)
                close(server)
            }
            return Clock.milliseconds - begin
        }
    }

    /// Makes one connection from a namespace, and returns both of its ends.
    func open(from namespace: String, to host: String, port: UInt16) throws -> (client: Int32, server: Int32) {
        try inNamespace(namespace) { () throws(Failure) in try open(to: host, port: port) }
    }

    private func open(to host: String, port: UInt16) throws(Failure) -> (client: Int32, server: Int32) {
        let (client, error) = Self.dial(host, port)
        guard error == 0 else {
            throw Failure("cannot connect to \(host):\(port): \(String(cString: strerror(error)))")
        }
        return (client, accept(descriptor, nil, nil))
    }

    /// A socket that is connected, unless there is an error number.
    static func dial(_ host: String, _ port: UInt16) -> (descriptor: Int32, error: Int32) {
        let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = Self.address(host, port)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(client, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        return (client, result == 0 ? 0 : Glibc.errno)
    }

    private static func address(_ host: String, _ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        inet_pton(AF_INET, host, &address.sin_addr)
        return address
    }
}
