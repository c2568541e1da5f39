// SPDX-License-Identifier: Apache-2.0

import JSON

extension EtcdClient {
    /// All keys that begin with a prefix.
    public mutating func list(prefix: String) throws(EtcdError) -> EtcdListing {
        let answer = try call(
            "kv/range",
            ["key": Self.bytes(prefix), "range_end": .string(Base64.encode(Self.end(of: prefix)))],
            .whileItComes
        )
        guard let revision = answer["header"]?["revision"]?.number else {
            throw lacks("revision", "kv/range")
        }
        return EtcdListing(revision: revision, entries: (answer["kvs"]?.elements ?? []).compactMap { EtcdEntry($0) })
    }

    /// Leaves a member that answers, but not as etcd does.
    private mutating func lacks(_ member: String, _ call: String) -> EtcdError {
        let error = EtcdError(.unreachable, "\(endpoint): the answer to \(call) has no \(member)")
        moveOn()
        return error
    }

    /// Finds out whether the member that is talked to answers in time, at the price of one key.
    public mutating func probe(_ key: String, limitMilliseconds: Int) throws(EtcdError) {
        _ = try callCurrent("kv/range", ["key": Self.bytes(key), "keys_only": true], .short(limitMilliseconds))
    }

    /// Asks for a lease of so many seconds, and returns its number.
    public mutating func grant(seconds: Int) throws(EtcdError) -> Int64 {
        let answer = try call("lease/grant", ["TTL": .int(seconds)])
        guard let number = answer["ID"]?.number else {
            throw lacks("ID", "lease/grant")
        }
        return number
    }

    /// Renews a lease, and returns how many seconds it has; nothing if it is gone.
    public mutating func keepAlive(_ lease: Int64) throws(EtcdError) -> Int? {
        let answer = try call("lease/keepalive", ["ID": .string("\(lease)")])
        guard let result = answer["result"] else {
            throw lacks("result", "lease/keepalive")
        }
        guard let seconds = result["TTL"]?.number, seconds > 0 else { return nil }
        return Int(seconds)
    }

    /// Gives a lease back, and with it all its keys; that it is gone is no error.
    public mutating func revoke(_ lease: Int64) throws(EtcdError) {
        do throws(EtcdError) { _ = try call("lease/revoke", ["ID": .string("\(lease)")]) } catch {
            if error.kind != .notFound { throw error }
        }
    }

    /// Sets a key that must not exist; says whether it did not.
    public mutating func create(_ key: String, _ value: [UInt8], lease: Int64) throws(EtcdError) -> Bool {
        try change(key, ifRevision: 0, .create, put(key, value, lease))
    }

    /// Sets a key that must not have been changed since; says whether it was not.
    public mutating func replace(
        _ key: String,
        _ value: [UInt8],
        lease: Int64,
        ifRevision revision: Int64
    ) throws(EtcdError) -> Bool {
        try change(key, ifRevision: revision, .modification, put(key, value, lease))
    }

    /// Removes a key that must not have been changed since; says whether it was not.
    public mutating func remove(_ key: String, ifRevision revision: Int64) throws(EtcdError) -> Bool {
        try change(key, ifRevision: revision, .modification, ["request_delete_range": ["key": Self.bytes(key)]])
    }

    private func put(_ key: String, _ value: [UInt8], _ lease: Int64) -> JSON {
        [
            "request_put": [
                "key": Self.bytes(key), "value": .string(Base64.encode(value)), "lease": .string("\(lease)"),
            ]
        ]
    }

    /// What a revision is compared with.
    private enum Target {
        case create, modification
    }

    private mutating func change(
        _ key: String,
        ifRevision revision: Int64,
        _ target: Target,
        _ operation: JSON
    ) throws(EtcdError) -> Bool {
        var compare = JSONObject([.init("key", Self.bytes(key)), .init("result", "EQUAL")])
        switch target {
        case .create:
            compare.append("target", "CREATE")
            compare.append("create_revision", .string("\(revision)"))
        case .modification:
            compare.append("target", "MOD")
            compare.append("mod_revision", .string("\(revision)"))
        }
        let answer = try call("kv/txn", ["compare": [.object(compare)], "success": [operation]])
        return answer["succeeded"] == .bool(true)
    }

    private static func bytes(_ text: String) -> JSON { .string(Base64.encode(Array(text.utf8))) }
}
