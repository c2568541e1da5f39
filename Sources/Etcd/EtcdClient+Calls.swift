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
        try change([isMissing(key)], [put(key, value, lease)])
    }

    /// Sets a key that must not have been changed since; says whether it was not.
    public mutating func replace(
        _ key: String,
        _ value: [UInt8],
        lease: Int64,
        ifRevision revision: Int64
    ) throws(EtcdError) -> Bool {
        try change([isUnchanged(key, since: revision)], [put(key, value, lease)])
    }

    /// Removes a key that must not have been changed since; says whether it was not.
    public mutating func remove(_ key: String, ifRevision revision: Int64) throws(EtcdError) -> Bool {
        try change([isUnchanged(key, since: revision)], [delete(key)])
    }

    /// Sets a key that must not exist and removes one that must not have been changed since, so that nobody sees both or
    /// neither; says whether that was so.
    public mutating func create(
        _ key: String,
        _ value: [UInt8],
        lease: Int64,
        insteadOf old: String,
        ifRevision revision: Int64
    ) throws(EtcdError) -> Bool {
        try change([isUnchanged(old, since: revision), isMissing(key)], [delete(old), put(key, value, lease)])
    }

    private func put(_ key: String, _ value: [UInt8], _ lease: Int64) -> JSON {
        [
            "request_put": [
                "key": Self.bytes(key), "value": .string(Base64.encode(value)), "lease": .string("\(lease)"),
            ]
        ]
    }

    private func delete(_ key: String) -> JSON { ["request_delete_range": ["key": Self.bytes(key)]] }

    private func isMissing(_ key: String) -> JSON {
        ["key": Self.bytes(key), "result": "EQUAL", "target": "CREATE", "create_revision": "0"]
    }

    private func isUnchanged(_ key: String, since revision: Int64) -> JSON {
        ["key": Self.bytes(key), "result": "EQUAL", "target": "MOD", "mod_revision": .string("\(revision)")]
    }

    /// Does all of it if all conditions hold, and says whether they did.
    private mutating func change(_ conditions: [JSON], _ operations: [JSON]) throws(EtcdError) -> Bool {
        let answer = try call("kv/txn", ["compare": .array(conditions), "success": .array(operations)])
        return answer["succeeded"] == .bool(true)
    }

    private static func bytes(_ text: String) -> JSON { .string(Base64.encode(Array(text.utf8))) }
}
