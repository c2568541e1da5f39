// SPDX-License-Identifier: Apache-2.0

import Glibc
import Linux
import Support

/// A socket for whole Ethernet frames of one type, that for experiments if none is given, on one interface: packet(7).
struct FrameSocket: ~Copyable {
    private let descriptor: FileDescriptor

    /// Opens a socket in a container.
    init(_ container: ContainerNamespace, _ interface: String = "eth0", type: UInt16 = 0x88b5) throws {
        descriptor = try container.perform { () throws(SpawnFailure) in
            // AF_PACKET of linux/socket.h, which the Glibc module lacks.
            let number = socket(17, Int32(SOCK_RAW.rawValue), 0)
            guard number >= 0 else { throw SpawnFailure(Errno(errno), "open a packet socket") }
            let descriptor = FileDescriptor(owning: number)
            // struct sockaddr_ll: family, type in the order of the network, index of the interface.
            var address = [UInt8](repeating: 0, count: 20)
            address[0] = 17
            (address[2], address[3]) = (UInt8(type >> 8), UInt8(type & 0xff))
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

    /// The byte in the next frame that arrives, or nothing after ten seconds.
    func receive() -> UInt8? { next(withinMilliseconds: 10_000).flatMap { $0.count > 14 ? $0[14] : nil } }

    /// The next frame, at most 128 bytes of it.
    private func next(withinMilliseconds limit: Int32) -> [UInt8]? {
        var wait = pollfd(fd: descriptor.rawValue, events: Int16(POLLIN), revents: 0)
        guard poll(&wait, 1, limit) == 1 else { return nil }
        var frame = [UInt8](repeating: 0, count: 128)
        let count = read(descriptor.rawValue, &frame, frame.count)
        return Array(frame.prefix(max(0, count)))
    }

    /// All frames that arrive until there is none for a moment.
    func all() -> [[UInt8]] {
        var frames: [[UInt8]] = []
        while let frame = next(withinMilliseconds: frames.isEmpty ? 10_000 : 300) { frames.append(frame) }
        return frames
    }
}
