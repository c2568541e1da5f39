// SPDX-License-Identifier: Apache-2.0

import CLibMNL

/// Messages for the kernel, laid out one after the other for a single system call.
///
///     | length | type | flags | sequence | port |  header, 16 bytes: struct nlmsghdr
///     | what the type asks for                 |  such as struct ifinfomsg
///     | length | type | value, padded to 4     |  attributes: struct nlattr, which may hold others
///
/// Attribute and message numbers keep their C names, so that a reader finds them in the kernel's headers. What does not
/// fit makes the whole batch unusable, and sending it then fails with a sentence: callers build without error handling.
@safe public struct MessageBatch: ~Copyable {
    static var capacity: Int { 16384 }
    /// How many messages there may be: the acknowledgements of more would not fit into a socket's receive buffer.
    static var limit: Int { 200 }

    private let buffer: UnsafeMutableRawPointer
    private var current: UnsafeMutablePointer<nlmsghdr>
    /// What each message does, in words for errors and traces.
    private(set) var operations: [String] = []
    /// The number of the error that does not matter, for messages that have one.
    private(set) var forgiven: [Int: Int32] = [:]
    private(set) var overflowed = false

    /// Makes an empty batch.
    public init() {
        unsafe buffer = .allocate(byteCount: Self.capacity, alignment: 4)
        // libmnl leaves the bytes that pad a value as they are.
        unsafe buffer.initializeMemory(as: UInt8.self, repeating: 0, count: Self.capacity)
        unsafe current = mnl_nlmsg_put_header(buffer)
        unsafe current.pointee.nlmsg_len = 0
    }

    deinit { unsafe buffer.deallocate() }

    /// The bytes of all messages.
    var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: buffer, count: used) }

    private var used: Int {
        let start = unsafe UnsafeMutableRawPointer(current) - buffer
        return unsafe start + Int(current.pointee.nlmsg_len + 3) & ~3
    }

    /// Begins a message that creates or changes something and wants to be acknowledged.
    mutating func begin<Header: BitwiseCopyable>(
        _ operation: String,
        _ type: Int,
        _ flags: Int32 = 0,
        _ header: Header
    ) {
        begin(operation, type: type, flags: UInt16(NLM_F_REQUEST | NLM_F_ACK | flags), header)
    }

    /// Begins a message that asks for a list.
    mutating func beginDump<Header: BitwiseCopyable>(_ operation: String, _ type: Int, _ header: Header) {
        begin(operation, type: type, flags: UInt16(NLM_F_REQUEST | NLM_F_DUMP), header)
    }

    private mutating func begin<Header: BitwiseCopyable>(
        _ operation: String,
        type: Int,
        flags: UInt16,
        _ header: Header
    ) {
        guard operations.count < Self.limit, used + 16 + MemoryLayout<Header>.size <= Self.capacity else {
            overflowed = true
            return
        }
        operations.append(operation)
        unsafe current = mnl_nlmsg_put_header(buffer + used)
        unsafe current.pointee.nlmsg_type = UInt16(type)
        unsafe current.pointee.nlmsg_flags = flags
        guard let place = unsafe mnl_nlmsg_put_extra_header(current, MemoryLayout<Header>.size) else { return }
        unsafe place.storeBytes(of: header, as: Header.self)
    }

    /// Has an error of the message that was begun last count as success.
    mutating func forgive(_ errno: Int32) { forgiven[operations.count - 1] = errno }

    /// Numbers the messages, starting with the given sequence number.
    mutating func number(from first: UInt32) {
        var offset = 0
        var sequence = first
        let end = used
        while offset < end {
            let header = unsafe (buffer + offset).assumingMemoryBound(to: nlmsghdr.self)
            unsafe header.pointee.nlmsg_seq = sequence
            sequence += 1
            unsafe offset += Int(header.pointee.nlmsg_len + 3) & ~3
        }
    }

    private var room: Int { unsafe Self.capacity - (UnsafeMutableRawPointer(current) - buffer) }

    private mutating func note(_ fits: Bool) { if !fits { overflowed = true } }

    /// Puts an attribute of one byte.
    mutating func put(_ type: Int, _ value: UInt8) {
        note(unsafe mnl_attr_put_u8_check(current, room, UInt16(type), value))
    }

    /// Puts an attribute of two bytes in the machine's order.
    mutating func put(_ type: Int, _ value: UInt16) {
        note(unsafe mnl_attr_put_u16_check(current, room, UInt16(type), value))
    }

    /// Puts an attribute of four bytes in the machine's order.
    mutating func put(_ type: Int, _ value: UInt32) {
        note(unsafe mnl_attr_put_u32_check(current, room, UInt16(type), value))
    }

    /// Puts an attribute of a text that ends with a zero byte.
    @inline(never)
    mutating func put(_ type: Int, _ text: String) { put(type, Array(text.utf8) + [0]) }

    /// Puts an attribute of bytes.
    mutating func put(_ type: Int, _ bytes: [UInt8]) {
        let room = room
        note(
            unsafe bytes.withUnsafeBytes {
                unsafe mnl_attr_put_check(current, room, UInt16(type), $0.count, $0.baseAddress)
            }
        )
    }

    /// Puts an attribute of a structure.
    mutating func put<Value: BitwiseCopyable>(_ type: Int, structure value: Value) {
        let room = room
        note(
            unsafe withUnsafeBytes(of: value) {
                unsafe mnl_attr_put_check(current, room, UInt16(type), $0.count, $0.baseAddress)
            }
        )
    }

    /// Puts a structure between the attributes of a nest, where the kernel wants one without a header of its own.
    mutating func putBare<Value: BitwiseCopyable>(_ value: Value) {
        guard unsafe room >= Int(current.pointee.nlmsg_len) + MemoryLayout<Value>.size,
            let place = unsafe mnl_nlmsg_put_extra_header(current, MemoryLayout<Value>.size)
        else {
            return note(false)
        }
        unsafe place.storeBytes(of: value, as: Value.self)
    }

    /// Puts an attribute that holds others.
    mutating func nest(_ type: Int, _ body: (inout MessageBatch) -> Void) {
        guard let start = unsafe mnl_attr_nest_start_check(current, room, UInt16(type)) else { return note(false) }
        body(&self)
        unsafe mnl_attr_nest_end(current, start)
    }
}
