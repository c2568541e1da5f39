// SPDX-License-Identifier: Apache-2.0

/// A message of the kernel, without its header.
public struct Message: Sendable {
    /// What kind of message it is, such as RTM_NEWLINK.
    public let type: UInt16
    /// The bytes after the header.
    public let payload: ArraySlice<UInt8>

    /// The attributes that follow a structure of the given size.
    func attributes(after headerSize: Int) -> Attributes { Attributes(payload.dropFirst((headerSize + 3) & ~3)) }
}

/// The attributes of a message, read in order and never beyond their end.
///
/// The kernel may send attributes that are newer than this code, so what is unknown is passed over, and a length that
/// makes no sense ends the reading.
public struct Attributes: Sequence, IteratorProtocol, Sendable {
    private var rest: ArraySlice<UInt8>

    /// Reads attributes from bytes.
    public init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// The next attribute with its flags masked out.
    public mutating func next() -> Attribute? {
        guard rest.count >= 4, let length = rest.integer(UInt16.self, at: 0),
            let type = rest.integer(UInt16.self, at: 2),
            length >= 4, Int(length) <= rest.count
        else {
            return nil
        }
        let value = rest.dropFirst(4).prefix(Int(length) - 4)
        rest = rest.dropFirst((Int(length) + 3) & ~3)
        // NLA_F_NESTED and NLA_F_NET_BYTEORDER.
        return Attribute(type: Int(type & 0x3fff), value: value)
    }

    /// The first attribute of a type.
    @inline(never)
    public func first(_ type: Int) -> Attribute? {
        for attribute in self where attribute.type == type { return attribute }
        return nil
    }
}

/// One attribute: a type and a value.
public struct Attribute: Sendable {
    /// The number of the attribute.
    public let type: Int
    /// The value's bytes.
    public let value: ArraySlice<UInt8>

    /// The value as a number in the machine's order, if it is long enough.
    @inline(never)
    public var uint32: UInt32? { value.integer(UInt32.self, at: 0) }

    /// The value as a number in the machine's order, if it is long enough.
    @inline(never)
    public var uint16: UInt16? { value.integer(UInt16.self, at: 0) }

    /// The value as a single byte.
    public var uint8: UInt8? { value.first }

    /// The value as a text, up to its zero byte.
    @inline(never)
    public var text: String { String(decoding: value.prefix { $0 != 0 }, as: UTF8.self) }

    /// The attributes that this one holds.
    public var nested: Attributes { Attributes(value) }
}

extension ArraySlice<UInt8> {
    /// An integer in the machine's order, counted from the start of the slice.
    func integer<T: FixedWidthInteger>(_: T.Type, at offset: Int) -> T? {
        let size = T.bitWidth / 8
        guard offset >= 0, count >= offset + size else { return nil }
        var result: T = 0
        for (position, byte) in dropFirst(offset).prefix(size).enumerated() {
            result |= T(truncatingIfNeeded: byte) << T(truncatingIfNeeded: position * 8)
        }
        return T(littleEndian: result.littleEndian)
    }
}
