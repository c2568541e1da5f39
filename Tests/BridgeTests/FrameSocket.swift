// SPDX-License-Identifier: Apache-2.0

import Glibc
import Linux
import Support

/// A socket for whole Ethernet frames of the type for experiments, on one interface: packet(7).
struct FrameSocket: ~Copyable {
    private let descriptor: FileDescriptor

    /// Opens a socket in a container.
    init(_ container: ContainerNamespace, _ interface: String = "eth0") throws {
        descriptor = try container.perform { () throws(SpawnFailure) in
            // AF_PACKET of linux/socket.h, which the Glibc module lacks.
            let number = socket(17, Int32(SOCK_RAW.rawValue), 0)
            guard number >= 0 else { throw SpawnFailure(Errno(errno), "open a packet socket") }
            let descriptor = FileDescriptor(owning: number)
            // struct sockaddr_ll: family, type in the order of the network, index of the interface.
            var address = [UInt8](repeating: 0, count: 20)
            address[0] = 17
            (address[2], address[3]) = (0x88, 0xb5)
            let index = if_nametoindex(interface)
            for byte in 0..<4 { address[4 + byte] = UInt8(truncatingIfNeeded: index >> (8 * UInt32(byte))) }
            let result = address.withUnsafeBytes { bytes in
                bytes.baseAddress.map { bind(number, $0.assumingMemoryBound(to: sockaddr.self), 20) } ?? -1
            }
            guard result == 0 else { throw SpawnFailure(Errno(errno), "bind a packet socket") }
            return descriptor
        }
    }

    /// Sends a frame to everybody that claims to come from an address; it carries one byte.
    func send(_ byte: UInt8, from address: String) {
        let source = address.split(separator: ":").compactMap { UInt8($0, radix: 16) }
        let frame = [UInt8](repeating: 0xff, count: 6) + source + [0x88, 0xb5, byte] + [UInt8](repeating: 0, count: 45)
        _ = write(descriptor.rawValue, frame, frame.count)
    }

    /// The byte in the next frame that arrives, or nothing after two seconds.
    func receive() -> UInt8? {
        var wait = pollfd(fd: descriptor.rawValue, events: Int16(POLLIN), revents: 0)
        guard poll(&wait, 1, 2000) == 1 else { return nil }
        var frame = [UInt8](repeating: 0, count: 128)
        return read(descriptor.rawValue, &frame, frame.count) > 14 ? frame[14] : nil
    }
}
