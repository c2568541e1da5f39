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

    /// Whether all that was added could be expressed; else there is nothing to be told.
    public private(set) var isExpressed = true

    /// Begins with nothing to do.
    public init(_ operation: String, in table: Table) {
        self.table = table
        self.operation = operation
        beginMessage(NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, resource: NFNL_SUBSYS_NFTABLES)
        endMessage(at: 0)
    }

    /// Adds an element with its key and, in a map, its value, both in the language of nft(8).
    ///
    /// A value with a verdict is "jump" or "goto" and the name of a chain.
    public mutating func add(
        _ act: Act,
        _ map: String,
        _ key: String,
        _ value: String = "",
        comment: String = ""
    ) {
        guard let key = Self.encode(key) else { return isExpressed = false }
        begin(act, map)
        let element = beginNest(NFTA_LIST_ELEM.rawValue)
        let keyNest = beginNest(NFTA_SET_ELEM_KEY.rawValue)
        put(NFTA_DATA_VALUE.rawValue, key)
        endNest(keyNest)
        if !value.isEmpty {
            let data = beginNest(NFTA_SET_ELEM_DATA.rawValue)
            let words = Array(value.utf8).split(separator: UInt8(ascii: " "))
            let isJump = words[0].elementsEqual("jump".utf8)
            if words.count == 2, isJump || words[0].elementsEqual("goto".utf8) {
                let verdict = beginNest(NFTA_DATA_VERDICT.rawValue)
                let code = (isJump ? NFT_JUMP : NFT_GOTO).rawValue
                // A small negative number in network order.
                put(NFTA_VERDICT_CODE.rawValue, [0xff, 0xff, 0xff, UInt8(truncatingIfNeeded: code)])
                put(NFTA_VERDICT_CHAIN.rawValue, Array(words[1]) + [0])
                endNest(verdict)
            } else if let value = Self.encode(value) {
                put(NFTA_DATA_VALUE.rawValue, value)
            } else {
                isExpressed = false
            }
            endNest(data)
        }
        if !comment.isEmpty {
            // The kind of the note, its size, and the text with a zero: as libnftables writes and reads comments.
            let text = Array(Object.kept(comment)) + [0]
            put(NFTA_SET_ELEM_USERDATA.rawValue, [0, UInt8(text.count)] + text)
        }
        endNest(element)
    }

    /// Adds elements whose keys end in neighbouring ports, of which each has its own value that ends in a port, or none.
    public mutating func add(
        _ act: Act,
        _ map: String,
        _ key: String,
        ports: ClosedRange<Int>,
        _ value: String = "",
        _ targets: [Int] = []
    ) {
        guard let key = Self.encode(key), let value = Self.encode(value) else { return isExpressed = false }
        for (place, port) in ports.enumerated() {
            begin(act, map)
            let element = beginNest(NFTA_LIST_ELEM.rawValue)
            putPort(NFTA_SET_ELEM_KEY.rawValue, key, port)
            if !targets.isEmpty { putPort(NFTA_SET_ELEM_DATA.rawValue, value, targets[place]) }
            endNest(element)
        }
    }

    /// Puts a key or a value that ends in a port.
    private mutating func putPort(_ type: UInt32, _ front: [UInt8], _ port: Int) {
        let nest = beginNest(type)
        append16(UInt16(8 + front.count))
        append16(UInt16(NFTA_DATA_VALUE.rawValue))
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
        beginMessage(NFNL_MSG_BATCH_END, NLM_F_REQUEST, resource: NFNL_SUBSYS_NFTABLES)
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
        let (type, flags) = act == .create ? (NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL) : (NFT_MSG_DELSETELEM, 0)
        beginMessage(
            NFNL_SUBSYS_NFTABLES << 8 | CInt(type.rawValue),
            NLM_F_REQUEST | flags,
            family: table.familyNumber
        )
        put(NFTA_SET_ELEM_LIST_TABLE.rawValue, Array(table.name.utf8) + [0])
        put(NFTA_SET_ELEM_LIST_SET.rawValue, Array(map.utf8) + [0])
        open = (message, beginNest(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue), act, map)
    }

    private mutating func closeMessage(isLast: Bool) {
        guard let before = open else { return }
        endNest(before.list)
        // The last one is answered, and the others if they fail.
        if isLast { bytes[before.message + 6] |= UInt8(NLM_F_ACK) }
        endMessage(at: before.message)
        open = nil
    }

    private mutating func beginMessage(_ type: CInt, _ flags: CInt, family: UInt8 = 0, resource: CInt = 0) {
        append32(0)
        append16(UInt16(type))
        append16(UInt16(flags))
        append32(count)
        append32(0)
        count += 1
        bytes += [family, 0, UInt8(truncatingIfNeeded: resource >> 8), UInt8(truncatingIfNeeded: resource)]
    }

    private mutating func endMessage(at start: Int) {
        let size = UInt32(bytes.count - start)
        for shift in 0..<4 { bytes[start + shift] = UInt8(truncatingIfNeeded: size >> UInt32(8 * shift)) }
    }

    private mutating func put(_ type: UInt32, _ value: [UInt8]) {
        append16(UInt16(4 + value.count))
        append16(UInt16(type))
        bytes += value
        while bytes.count % 4 != 0 { bytes.append(0) }
    }

    private mutating func beginNest(_ type: UInt32) -> Int {
        let start = bytes.count
        append16(0)
        append16(UInt16(type) | UInt16(NLA_F_NESTED))
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
