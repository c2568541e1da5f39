// SPDX-License-Identifier: Apache-2.0

import Support

/// A protocol with ports.
enum Transport: String, CaseIterable, Sendable { case tcp, udp, sctp }

/// Where a client sits.
typealias Place = (() throws -> Contact) throws -> Contact

/// What became of a client's attempt to reach a server.
struct Contact: Equatable, CustomStringConvertible {
    /// The address from which the server saw the client come; nothing if it saw nobody.
    var source: String?
    /// Whether the server's answer came back to the client, from where the client had sent to.
    var isAnswered = false

    /// The server never saw the client.
    static let none = Contact()

    var description: String {
        source.map { "reached from \($0), \(isAnswered ? "answered" : "not answered")" } ?? "not reached"
    }
}

/// A server in a container, of any protocol, at one of the container's addresses.
final class Server {
    private let transport: Transport
    private let address: String
    private let port: UInt16
    private var socket: InternetSocket?
    private var raw: SCTPSocket?
    nonisolated(unsafe) private static var sctpPort: UInt16 = 20_000

    /// Opens the server in the namespace of the calling thread.
    init(_ transport: Transport, at address: String, port: UInt16) throws {
        (self.transport, self.address, self.port) = (transport, address, port)
        switch transport {
        case .tcp: socket = try InternetSocket(.stream, at: address, port: port)
        case .udp: socket = try InternetSocket(.datagram, at: address, port: port)
        case .sctp: raw = try SCTPSocket(isV6: address.contains(":"))
        }
    }

    private var wildcard: String { address.contains(":") ? "::" : "0.0.0.0" }

    /// Has a client reach for a published port, and the server answer it.
    func contact(
        _ target: String,
        _ port: Int,
        from place: Place,
        milliseconds: Int = InternetSocket.patience
    ) throws -> Contact {
        let port = UInt16(port)
        switch transport {
        case .tcp: return try streamContact(target, port, place, milliseconds)
        case .udp: return try datagramContact(target, port, place, milliseconds)
        case .sctp: return try rawContact(target, port, place, milliseconds)
        }
    }

    private func streamContact(_ target: String, _ port: UInt16, _ place: Place, _ limit: Int) throws -> Contact {
        try place {
            let client = try InternetSocket(.stream, at: wildcard)
            let isConnected = client.connects(to: target, port: port, milliseconds: limit)
            guard isConnected, let connection = socket?.accept(milliseconds: limit) else { return .none }
            connection.send("hello")
            return Contact(source: connection.peer?.address, isAnswered: client.receive(milliseconds: limit) == "hello")
        }
    }

    private func datagramContact(_ target: String, _ port: UInt16, _ place: Place, _ limit: Int) throws -> Contact {
        try place {
            let client = try InternetSocket(.datagram, at: wildcard)
            client.send("hello", to: target, port: port)
            guard let socket, let (_, sender) = socket.receiveWithSender(milliseconds: limit) else { return .none }
            socket.send("answer", to: sender)
            let answer = client.receiveWithSender(milliseconds: limit)
            let isRight = answer?.text == "answer" && answer?.sender.port == port
            return Contact(source: sender.address, isAnswered: isRight && answer?.sender.address == target)
        }
    }

    private func rawContact(_ target: String, _ port: UInt16, _ place: Place, _ limit: Int) throws -> Contact {
        Self.sctpPort += 1
        let source = Self.sctpPort
        return try place {
            let client = try SCTPSocket(isV6: address.contains(":"))
            client.sendInit(to: target, port: port, from: source)
            guard let raw, let request = raw.receive(at: self.port, milliseconds: limit), request.chunk == 1,
                request.hasValidChecksum
            else {
                return .none
            }
            raw.sendAnswer(to: request)
            let answer = client.receive(at: source, milliseconds: limit)
            let isRight = answer?.chunk == 2 && answer?.sourcePort == port && answer?.hasValidChecksum == true
            return Contact(source: request.sender.address, isAnswered: isRight && answer?.sender.address == target)
        }
    }
}
