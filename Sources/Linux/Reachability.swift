// SPDX-License-Identifier: Apache-2.0

import CLinux

/// Whether packets get through, seen from the namespace of the calling thread.
public enum Reachability {
    /// Sends echo requests to an address until one is answered, and returns the nanoseconds of its round trip.
    ///
    /// The address has 4 or 16 bytes in network order; the number of the interface matters to those that are unique only
    /// on their link. With a size, the packets have it, IP header included, and nobody may take them apart.
    ///
    /// - Throws: EMSGSIZE if a packet of the size does not fit.
    public static func ping(
        _ address: [UInt8],
        interface: UInt32 = 0,
        size: Int = 0,
        timeoutMilliseconds: Int
    ) throws(Errno) -> Int64 {
        try check(
            Int(unsafe linux_ping(address, CInt(address.count), interface, CInt(size), CInt(timeoutMilliseconds)))
        )
    }

    private static func check(_ nanoseconds: Int) throws(Errno) -> Int64 {
        if nanoseconds < 0 { throw Errno(CInt(-nanoseconds)) }
        return Int64(nanoseconds)
    }
}

/// A port that answers with what it is sent.
///
/// It belongs to the namespace in which it was opened, so one thread can be both ends of a connection between two hosts.
public struct EchoPort: ~Copyable {
    private let listener: FileDescriptor
    private let isDatagram: Bool

    /// Opens the port on all addresses of one family.
    public static func open(version6: Bool, isDatagram: Bool, port: UInt16) throws(Errno) -> EchoPort {
        EchoPort(
            listener: FileDescriptor(owning: try check(linux_listen(version6, isDatagram, port))),
            isDatagram: isDatagram
        )
    }

    private init(listener: consuming FileDescriptor, isDatagram: Bool) {
        self.listener = listener
        self.isDatagram = isDatagram
    }

    /// Connects to an address from the calling thread's namespace, and returns the nanoseconds until the echo was there.
    ///
    /// - Throws: ETIMEDOUT if somebody else or nobody got what was sent.
    public func probe(_ address: [UInt8], port: UInt16, timeoutMilliseconds: Int) throws(Errno) -> Int64 {
        let result = unsafe linux_probe(
            listener.rawValue,
            address,
            CInt(address.count),
            port,
            isDatagram,
            CInt(timeoutMilliseconds)
        )
        if result < 0 { throw Errno(CInt(-result)) }
        return result
    }
}
