// SPDX-License-Identifier: Apache-2.0

import CLibNFTables
import Linux

/// Elements that come or go together or not at all, told to the kernel without libnftables.
///
/// What changes with every container are elements of maps that exist. To load the library and let it read all maps and
/// chains of the host takes three quarters of such a call's time, and to parse its language most of the rest; so these
/// messages are made here, and the library makes what is rare: tables, maps, chains and rules.
public struct ElementBatch: ~Copyable {
    /// What is to happen with elements.
    public enum Act: Sendable {
        /// They are added, and must not be there yet.
        case create
        /// They are deleted, and must be there.
        case delete
    }

    private let table: Table
    private let operation: String
    private var bytes: [UInt8] = []
    private var count: UInt32 = 0
    // Where the message being written began, its list of elements, and for whom it is.
    private var open: (message: Int, list: Int, act: Act, map: String)?

    // From linux/netfilter/nf_tables.h, nfnetlink.h and netlink.h.
    private static var batchBegin: UInt16 { 0x10 }
    private static var batchEnd: UInt16 { 0x11 }
    private static var newElements: UInt16 { 10 << 8 | 12 }
    private static var deleteElements: UInt16 { 10 << 8 | 14 }
    private static var request: UInt16 { 1 }
    private static var acknowledge: UInt16 { 4 }
    private static var exclusively: UInt16 { 0x200 | 0x400 }
    private static var nested: UInt16 { 0x8000 }

    /// Begins with nothing to do.
    public init(_ operation: String, in table: Table) {
        self.table = table
        self.operation = operation
        beginMessage(Self.batchBegin, Self.request, family: 0, resource: 10)
        endMessage(at: 0)
    }

    /// Adds an element with its key and, in a map, its value, both in the language of nft(8).
    ///
    /// Returns whether it could be expressed; a value with a verdict is "jump" or "goto" and the name of a chain.
    public mutating func add(
        _ act: Act,
        _ map: String,
        _ key: String,
        _ value: String = "",
        comment: String = ""
    ) -> Bool {
        guard let key = Self.encode(key) else { return false }
        begin(act, map)
        let element = beginNest(1)
        let keyNest = beginNest(1)
        put(1, key)
        endNest(keyNest)
        if !value.isEmpty {
            let data = beginNest(2)
            let words = Array(value.utf8).split(separator: UInt8(ascii: " "))
            let isJump = words[0].elementsEqual("jump".utf8)
            if words.count == 2, isJump || words[0].elementsEqual("goto".utf8) {
                let verdict = beginNest(2)
                // NFT_JUMP and NFT_GOTO, in network order.
                put(1, [0xff, 0xff, 0xff, isJump ? 0xfd : 0xfc])
                put(2, Array(words[1]) + [0])
                endNest(verdict)
            } else if let value = Self.encode(value) {
                put(1, value)
            } else {
                return false
            }
            endNest(data)
        }
        if !comment.isEmpty {
            // The kind of the note, its size, and the text with a zero: as libnftables writes and reads comments.
            let text = Array(Object.kept(comment)) + [0]
            put(6, [0, UInt8(text.count)] + text)
        }
        endNest(element)
        return true
    }

    /// Adds elements whose keys end in neighbouring ports, of which each has its own value that ends in a port, or none.
    ///
    /// Returns whether they could be expressed.
    public mutating func add(
        _ act: Act,
        _ map: String,
        _ key: String,
        ports: ClosedRange<Int>,
        _ value: String = "",
        _ targets: [Int] = []
    ) -> Bool {
        guard let key = Self.encode(key), let value = Self.encode(value) else { return false }
        for (place, port) in ports.enumerated() {
            begin(act, map)
            let element = beginNest(1)
            putPort(1, key, port)
            if !targets.isEmpty { putPort(2, value, targets[place]) }
            endNest(element)
        }
        return true
    }

    /// Puts a key or a value that ends in a port.
    private mutating func putPort(_ type: UInt16, _ front: [UInt8], _ port: Int) {
        let nest = beginNest(type)
        append16(UInt16(8 + front.count))
        append16(1)
        bytes += front
        bytes += [UInt8(truncatingIfNeeded: port >> 8), UInt8(truncatingIfNeeded: port), 0, 0]
        endNest(nest)
    }

    /// Tells the kernel.
    ///
    /// - Throws: EEXIST or ENOENT if an element or what it leads to is or is not there.
    public consuming func run<Failure: SystemFailure>(_: Failure.Type) throws(Failure) {
        closeMessage(isLast: true)
        let end = bytes.count
        beginMessage(Self.batchEnd, Self.request, family: 0, resource: 10)
        endMessage(at: end)
        Trace.step(joined("nf_tables ", operation, ": ", String(bytes.count), " bytes"))
        let result = unsafe bytes.withUnsafeBytes { unsafe clibnftables_transact($0.baseAddress, $0.count, count) }
        if result < 0 { throw Failure(Errno(-result), operation) }
    }

    private mutating func begin(_ act: Act, _ map: String) {
        // An attribute holds 64 kB.
        if let open, open.act == act, open.map == map, bytes.count - open.list < 32768 { return }
        closeMessage(isLast: false)
        let message = bytes.count
        let (type, flags) = act == .create ? (Self.newElements, Self.exclusively) : (Self.deleteElements, 0)
        beginMessage(type, Self.request | flags, family: table.familyNumber, resource: 0)
        put(1, Array(table.name.utf8) + [0])
        put(2, Array(map.utf8) + [0])
        open = (message, beginNest(3), act, map)
    }

    private mutating func closeMessage(isLast: Bool) {
        guard let before = open else { return }
        endNest(before.list)
        // The last one is answered, and the others if they fail.
        if isLast { bytes[before.message + 6] |= UInt8(Self.acknowledge) }
        endMessage(at: before.message)
        open = nil
    }

    private mutating func beginMessage(_ type: UInt16, _ flags: UInt16, family: UInt8, resource: UInt16) {
        append32(0)
        append16(type)
        append16(flags)
        append32(count)
        append32(0)
        count += 1
        bytes += [family, 0, UInt8(truncatingIfNeeded: resource >> 8), UInt8(truncatingIfNeeded: resource)]
    }

    private mutating func endMessage(at start: Int) {
        let size = UInt32(bytes.count - start)
        for shift in 0..<4 { bytes[start + shift] = UInt8(truncatingIfNeeded: size >> UInt32(8 * shift)) }
    }

    private mutating func put(_ type: UInt16, _ value: [UInt8]) {
        append16(UInt16(4 + value.count))
        append16(type)
        bytes += value
        while bytes.count % 4 != 0 { bytes.append(0) }
    }

    private mutating func beginNest(_ type: UInt16) -> Int {
        let start = bytes.count
        append16(0)
        append16(type | Self.nested)
        return start
    }

    private mutating func endNest(_ start: Int) {
        let size = bytes.count - start
        (bytes[start], bytes[start + 1]) = (UInt8(size & 0xff), UInt8(size >> 8))
    }

    private mutating func append16(_ value: UInt16) {
        bytes += [UInt8(truncatingIfNeeded: value), UInt8(truncatingIfNeeded: value >> 8)]
    }

    private mutating func append32(_ value: UInt32) {
        append16(UInt16(truncatingIfNeeded: value))
        append16(UInt16(truncatingIfNeeded: value >> 16))
    }
}
