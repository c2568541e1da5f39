// SPDX-License-Identifier: Apache-2.0

import CLibMNL
import Linux

/// A netlink socket: netlink(7).
///
/// It belongs to the network namespace in which it was opened, wherever the thread goes afterwards; so a plugin visits the
/// container once, opens a socket there, and works with two sockets from then on.
@safe public struct NetlinkSocket<Failure: SystemFailure>: ~Copyable {
    private let socket: OpaquePointer
    /// The number of the socket, by which the kernel tells who asked for something; 0 if it is for events, which bear the number
    /// of whoever caused them.
    let port: UInt32
    private var sequence: UInt32 = 1
    // As large as the kernel makes a message of a list, and not touched beyond what arrives.
    private static var capacity: Int { 32768 }
    private let buffer: UnsafeMutableRawPointer
    private let isOfNetfilter: Bool

    /// Opens a socket in the namespace of the calling thread.
    ///
    /// The bits of `groups` are the multicast groups of events to be told of.
    public static func open(protocol family: Int32, groups: UInt32 = 0) throws(Failure) -> NetlinkSocket {
        guard let socket = unsafe mnl_socket_open2(family, Int32(bitPattern: UInt32(0o2000000))) else {
            throw Failure(lastErrno(), "open a netlink socket")
        }
        // The port is 0, so that the kernel chooses one: the number of the process would be taken by a second socket.
        guard unsafe mnl_socket_bind(socket, groups, 0) >= 0 else {
            let errno = lastErrno()
            _ = unsafe mnl_socket_close(socket)
            throw Failure(errno, "bind a netlink socket")
        }
        var on: Int32 = 1
        for option in [NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK] {
            // Older kernels lack some of them, and then only say less.
            _ = unsafe mnl_socket_setsockopt(socket, option, &on, 4)
        }
        return unsafe NetlinkSocket(
            socket: socket,
            isOfNetfilter: family == NETLINK_NETFILTER,
            isForEvents: groups != 0
        )
    }

    private init(socket: OpaquePointer, isOfNetfilter: Bool, isForEvents: Bool) {
        self.isOfNetfilter = isOfNetfilter
        unsafe self.socket = unsafe socket
        unsafe buffer = .allocate(byteCount: Self.capacity, alignment: 4)
        port = unsafe isForEvents ? 0 : mnl_socket_get_portid(socket)
    }

    deinit {
        if isOfNetfilter {
            NetfilterSocket.close(descriptor) { _ = unsafe mnl_socket_close(socket) }
        } else {
            _ = unsafe mnl_socket_close(socket)
        }
        unsafe buffer.deallocate()
    }

    private static func lastErrno() -> Errno { Errno(clibmnl_errno()) }

    /// The number of the descriptor, for waiting.
    var descriptor: CInt { unsafe mnl_socket_get_fd(socket) }

    /// Sends a batch and waits until the kernel has acknowledged each of its messages.
    ///
    /// The kernel goes on after a message that it refuses; the first refusal is thrown once all have been answered.
    public mutating func send(_ batch: consuming MessageBatch) throws(Failure) {
        let (operations, forgiven) = (batch.operations, batch.forgiven)
        if operations.isEmpty, !batch.overflowed { return }
        let first = try transmit(&batch)
        var failure: Failure?
        var answered = 0
        while answered < operations.count {
            for message in try receive(operations[answered]) where message.sequence &- first < UInt32(operations.count)
            {
                guard case .error(let errno, let text) = message.content else { continue }
                answered += 1
                let position = Int(message.sequence &- first)
                Trace.step("netlink \(operations[position]): \(errno == 0 ? "done" : Errno(errno).name) \(text ?? "")")
                if errno == 0 || errno == forgiven[position] { continue }
                failure = failure ?? Failure(Errno(errno), operations[position], kernelText: text)
            }
        }
        if let failure { throw failure }
    }

    /// Sends one request for a list and returns its messages.
    public mutating func list(_ request: consuming MessageBatch) throws(Failure) -> [Message] {
        try list(request) { $0 }
    }

    /// Sends one request for a list and returns what is read of its messages; what is passed over takes no memory.
    ///
    /// The kernel marks a list that changed while it was being made; such a list is asked for again, here and nowhere else.
    mutating func list<Element>(
        _ request: consuming MessageBatch,
        _ read: (Message) -> Element?
    ) throws(Failure) -> [Element] {
        var batch = request
        for _ in 0..<64 {
            let operation = batch.operations.first ?? ""
            let first = try transmit(&batch)
            if let elements = try collect(first, operation, read) {
                Trace.step("netlink \(operation): \(elements.count) messages")
                return elements
            }
        }
        throw Failure(.interrupted, "list what keeps changing")
    }

    /// Reads a list to its end; nothing if it was interrupted.
    private mutating func collect<Element>(
        _ sequence: UInt32,
        _ operation: String,
        _ read: (Message) -> Element?
    ) throws(Failure) -> [Element]? {
        var elements: [Element] = []
        var interrupted = false
        while true {
            for message in try receive(operation) where message.sequence == sequence {
                interrupted = interrupted || message.isInterrupted
                switch message.content {
                case .done: return interrupted ? nil : elements
                case .error(0, _): return elements
                case .error(let errno, let text):
                    throw Failure(Errno(errno), operation, kernelText: text)
                case .data(let data): if let element = read(data) { elements.append(element) }
                }
            }
        }
    }

    /// Waits for events of the multicast groups; empty when the time is over.
    public mutating func events(timeoutMilliseconds: Int) throws(Failure) -> [Message] {
        guard Poll.isReadable(descriptor, timeoutMilliseconds: timeoutMilliseconds) else { return [] }
        var messages: [Message] = []
        for message in try receive("wait for an event") {
            if case .data(let data) = message.content { messages.append(data) }
        }
        return messages
    }

    private mutating func transmit(_ batch: inout MessageBatch) throws(Failure) -> UInt32 {
        let operation = batch.operations.first ?? "send nothing"
        if batch.overflowed { throw Failure(Errno(90), operation) }
        let first = sequence
        batch.number(from: first)
        sequence &+= UInt32(batch.operations.count)
        let bytes = unsafe batch.bytes
        guard unsafe mnl_socket_sendto(socket, bytes.baseAddress, bytes.count) >= 0 else {
            throw Failure(Self.lastErrno(), operation)
        }
        return first
    }

    private mutating func receive(_ operation: String) throws(Failure) -> [Envelope] {
        while true {
            let count = unsafe mnl_socket_recvfrom(socket, buffer, Self.capacity)
            if count >= 0 {
                let bytes = unsafe [UInt8](UnsafeRawBufferPointer(start: buffer, count: count))
                return Envelope.parse(bytes[...], port: port)
            }
            let errno = Self.lastErrno()
            if errno != .interrupted { throw Failure(errno, operation) }
        }
    }
}
