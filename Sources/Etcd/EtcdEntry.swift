// SPDX-License-Identifier: Apache-2.0

import JSON

/// A key of the registry with its value.
public struct EtcdEntry: Sendable {
    /// The key.
    public let key: String
    /// The value.
    public let value: [UInt8]
    /// The revision at which the key came.
    public let creation: Int64
    /// The revision at which the key was changed last.
    public let revision: Int64
    /// The number of the lease with which the key goes; 0 if it stays.
    public let lease: Int64

    /// Reads what the registry prints of a key; nothing if it cannot be read.
    init?(_ json: JSON?) {
        guard let json, case .string(let key)? = json["key"], let bytes = Base64.decode(key) else { return nil }
        self.key = String(decoding: bytes, as: UTF8.self)
        var value: [UInt8] = []
        if case .string(let text)? = json["value"] { value = Base64.decode(text) ?? [] }
        self.value = value
        creation = json["create_revision"]?.number ?? 0
        revision = json["mod_revision"]?.number ?? 0
        lease = json["lease"]?.number ?? 0
    }
}

/// All keys below a prefix at one point of time.
public struct EtcdListing: Sendable {
    /// The revision of the registry at that time.
    public let revision: Int64
    /// The keys.
    public let entries: [EtcdEntry]
}

/// A change of a key.
public enum EtcdEvent: Sendable {
    /// The key was set.
    case set(EtcdEntry)
    /// The key was removed, or went with its lease.
    case removed(String)
}

extension JSON {
    /// The member of an object.
    subscript(key: String) -> JSON? {
        guard case .object(let object) = self else { return nil }
        return object[key]
    }

    /// The elements of an array; none for anything else.
    var elements: [JSON] {
        guard case .array(let elements) = self else { return [] }
        return elements
    }

    /// An integer, which the registry prints as text where it has 64 bits.
    var number: Int64? {
        switch self {
        case .string(let text), .number(let text): Int64(text)
        default: nil
        }
    }
}
