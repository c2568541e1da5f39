// SPDX-License-Identifier: Apache-2.0

import JSON
import Linux

/// Where the registry is and how it is talked to.
public struct EtcdSettings: Sendable {
    /// The addresses of the members, such as https://10.0.0.5:2379.
    public var endpoints: [String]
    /// The file with the certificates of those that are trusted; empty for the system's.
    public let authorities: String
    /// The file with this host's certificate, or empty.
    public let certificate: String
    /// The file with the key of the certificate.
    public let key: String
    /// The user, or empty where nobody is asked.
    public let user: String
    /// The file whose first line is the user's password.
    public let passwordFile: String
    /// How long an answer may take.
    public let timeoutMilliseconds: Int

    /// Reads the settings.
    public init(_ node: ConfigNode) throws(ConfigError) {
        endpoints = try node.strings("endpoints") ?? []
        if endpoints.isEmpty {
            throw node.fails("endpoints is missing: the members of etcd, such as [\"https://10.0.0.5:2379\"]")
        }
        for (index, text) in endpoints.enumerated() {
            guard let host = Self.host(text) else {
                throw node.fails("endpoints[\(index)]: \"\(text)\" must begin with http:// or https://")
            }
            if host.isEmpty { throw node.fails("endpoints[\(index)]: \"\(text)\" lacks the host") }
            if text.utf8.last == UInt8(ascii: "/") {
                endpoints[index] = String(decoding: Array(text.utf8.dropLast()), as: UTF8.self)
            }
        }
        authorities = try node.string("caFile") ?? ""
        certificate = try node.string("certFile") ?? ""
        key = try node.string("keyFile") ?? ""
        user = try node.string("username") ?? ""
        passwordFile = try node.string("passwordFile") ?? ""
        timeoutMilliseconds = try node.milliseconds("requestTimeout") ?? 2000
        if certificate.isEmpty != key.isEmpty { throw node.fails("certFile and keyFile go together") }
        if user.isEmpty != passwordFile.isEmpty { throw node.fails("username and passwordFile go together") }
    }

    /// The name or the address of the host in an address; nothing if that does not begin as one.
    private static func host(_ text: String) -> [UInt8]? {
        for start in ["http://", "https://"] where text.begins(with: start) {
            let rest = text.utf8.dropFirst(start.utf8.count)
            return Array(rest.prefix { $0 != UInt8(ascii: ":") && $0 != UInt8(ascii: "/") })
        }
        return nil
    }

    /// The password, read anew each time because files are replaced.
    func password() throws(EtcdError) -> String {
        do {
            let bytes = try FileDescriptor.open(passwordFile).readAll()
            return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        } catch {
            throw EtcdError(.denied, "cannot read passwordFile \(passwordFile): \(error.description)")
        }
    }
}

extension ConfigNode {
    /// A length of time such as 2s, 500ms, 5m or 24h.
    public func milliseconds(_ key: String) throws(ConfigError) -> Int? {
        guard let node = try member(key) else { return nil }
        let text = Array(try node.string().utf8)
        let digits = text.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)]
        guard 1...9 ~= digits.count, let number = Int(String(decoding: digits, as: UTF8.self)), number > 0,
            let unit = units.first(where: { Array($0.0.utf8) == Array(text.dropFirst(digits.count)) })
        else {
            throw node.fails("must be a length of time such as 500ms, 2s, 5m or 24h")
        }
        return number * unit.1
    }
}
