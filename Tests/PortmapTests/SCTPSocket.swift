// SPDX-License-Identifier: Apache-2.0

import Glibc
import Linux
import Support

/// The first two packets of an SCTP connection over a raw socket, for kernels that have no sockets of SCTP: RFC 9260.
final class SCTPSocket {
    /// A packet with the chunk that it carries.
    struct Packet {
        let sender: SocketAddress
        let sourcePort: UInt16
        let destinationPort: UInt16
        /// The type of the chunk: 1 is INIT, and 2 is INIT ACK.
        let chunk: UInt8
        /// The tag by which the sender wants to be answered.
        let tag: [UInt8]
        let hasValidChecksum: Bool
    }

    private static let number: Int32 = 132
    private let descriptor: CInt
    private let isV6: Bool

    /// Opens a socket in the namespace of the calling thread.
    init(isV6: Bool) throws {
        self.isV6 = isV6
        descriptor = socket(
            isV6 ? AF_INET6 : AF_INET,
            Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue),
            Self.number
        )
        if descriptor < 0 { throw SpawnFailure(Errno(errno), "open a raw socket of SCTP") }
    }

    deinit { close(descriptor) }

    /// Asks for a connection.
    func sendInit(to address: String, port: UInt16, from source: UInt16) {
        send(chunk: 1, tag: [0, 0, 0, 0], to: SocketAddress(address, 0), port: port, from: source)
    }

    /// Answers a request.
    func sendAnswer(to packet: Packet) {
        let target = SocketAddress(packet.sender.address, 0)
        send(chunk: 2, tag: packet.tag, to: target, port: packet.sourcePort, from: packet.destinationPort)
    }

    private func send(chunk: UInt8, tag: [UInt8], to target: SocketAddress, port: UInt16, from source: UInt16) {
        func bytes(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xff)] }
        // The ports, the tag, room for the checksum; type, flags, length; own tag, window, streams, first number.
        var packet = bytes(source) + bytes(port) + tag + [0, 0, 0, 0]
        packet += [chunk, 0, 0, 20, 0xc0, 0xff, 0xee, chunk, 0, 0, 0xff, 0xff, 0, 1, 0, 1, 0, 0, 0, 1]
        let sum = Self.checksum(packet)
        for place in 0..<4 { packet[8 + place] = UInt8(truncatingIfNeeded: sum >> (8 * UInt32(place))) }
        _ = target.use { Int32(sendto(descriptor, packet, packet.count, 0, $0, $1)) }
    }

    /// The next packet for a port; nothing if none comes within the time.
    func receive(at port: UInt16, milliseconds: Int = InternetSocket.patience) -> Packet? {
        let end = Clock.monotonicNanoseconds() + Int64(milliseconds) * 1_000_000
        while true {
            let rest = (end - Clock.monotonicNanoseconds()) / 1_000_000
            var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard rest > 0, poll(&wait, 1, CInt(rest)) == 1 else { return nil }
            var buffer = [UInt8](repeating: 0, count: 2048)
            var sender = SocketAddress()
            let count = sender.fill { recvfrom(descriptor, &buffer, buffer.count, 0, $0, $1) }
            if count <= 0 { return nil }
            // IPv4 comes with its header.
            let packet = Array(buffer.prefix(count).dropFirst(isV6 ? 0 : Int(buffer[0] & 15) * 4))
            guard packet.count >= 32 else { continue }
            let destination = UInt16(packet[2]) << 8 | UInt16(packet[3])
            if destination != port { continue }
            let sum = (0..<4).reduce(UInt32(0)) { $0 | UInt32(packet[8 + $1]) << (8 * UInt32($1)) }
            let blank = packet[0..<8] + [0, 0, 0, 0] + packet[12...]
            return Packet(
                sender: sender,
                sourcePort: UInt16(packet[0]) << 8 | UInt16(packet[1]),
                destinationPort: destination,
                chunk: packet[12],
                tag: Array(packet[16..<20]),
                hasValidChecksum: Self.checksum(Array(blank)) == sum
            )
        }
    }

    /// The cyclic redundancy check of Castagnoli, bit by bit.
    private static func checksum(_ bytes: [UInt8]) -> UInt32 {
        var remainder = UInt32.max
        for byte in bytes {
            remainder ^= UInt32(byte)
            for _ in 0..<8 { remainder = remainder >> 1 ^ (remainder & 1 == 1 ? 0x82F6_3B78 : 0) }
        }
        return ~remainder
    }
}
