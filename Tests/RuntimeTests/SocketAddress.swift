// SPDX-License-Identifier: Apache-2.0

import Glibc

/// An address with a port, as system calls want it.
struct SocketAddress {
    private var storage = sockaddr_in6()

    /// An address that is yet to be received.
    init() {}

    /// Makes an address of its text, which must be one of either family.
    init(_ text: String, _ port: UInt16) {
        if text.contains(":") {
            storage.sin6_family = sa_family_t(AF_INET6)
            storage.sin6_port = port.bigEndian
            precondition(inet_pton(AF_INET6, text, &storage.sin6_addr) == 1, "\(text) is no address")
            return
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        precondition(inet_pton(AF_INET, text, &address.sin_addr) == 1, "\(text) is no address")
        withUnsafeMutableBytes(of: &storage) { bytes in withUnsafeBytes(of: address) { bytes.copyBytes(from: $0) } }
    }

    /// Calls a body with the address.
    func with(_ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
        let isVersion6 = storage.sin6_family == sa_family_t(AF_INET6)
        let size = isVersion6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
        return withUnsafePointer(to: storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(size)) }
        }
    }

    /// Calls a body that fills the address in.
    mutating func receive(_ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt) -> CInt {
        var size = socklen_t(MemoryLayout<sockaddr_in6>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, &size) }
        }
    }

    /// The address without its port.
    var text: String {
        var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        withUnsafeBytes(of: storage) { bytes in
            let isVersion6 = storage.sin6_family == sa_family_t(AF_INET6)
            // The address begins after the family and the port; that of IPv6 after its flow label as well.
            let start = bytes.baseAddress.map { $0 + (isVersion6 ? 8 : 4) }
            _ = inet_ntop(CInt(storage.sin6_family), start, &buffer, socklen_t(buffer.count))
        }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
