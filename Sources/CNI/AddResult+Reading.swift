// SPDX-License-Identifier: Apache-2.0

import Addressing
import JSON

extension AddResult {
    /// Reads what a plugin printed.
    init(printed: [UInt8], assuming version: Version) throws(CNIError) {
        let json: JSON
        do { json = try JSON.parse(printed) } catch {
            throw CNIError(.decoding, "the delegate's result is not JSON", error.description)
        }
        do { self = try AddResult(ConfigNode(json), assuming: version) } catch {
            throw CNIError(.decoding, "the delegate's result has a wrong shape", error.description)
        }
    }

    /// Reads a result of any version.
    ///
    /// The shape tells old from new: results without a version of their own are in circulation, and so are some that bear
    /// the version of another shape.
    public init(_ node: ConfigNode, assuming version: Version) throws(ConfigError) {
        let own = try node.string("cniVersion") ?? ""
        let text = own.isEmpty ? version.description : own
        guard let source = Version(text) else {
            throw node.fails("cniVersion is \"\(text)\", and only \(Version.list(separator: ", ")) are supported")
        }
        self.init()
        self.source = source
        let old = (v4: try node.member("ip4"), v6: try node.member("ip6"))
        if old.v4 != nil || old.v6 != nil {
            try readOldAddress(old.v4)
            try readOldAddress(old.v6)
        } else {
            interfaces = try node.presentElements("interfaces").map { node throws(ConfigError) in try Interface(node) }
            ips = try node.presentElements("ips").map { node throws(ConfigError) in try IPConfiguration(node) }
            routes = try node.presentElements("routes").map { node throws(ConfigError) in try RouteConfiguration(node) }
        }
        if let node = try node.member("dns") { dns = try DNS(node) }
        unknown = node.unknown(["cniVersion", "interfaces", "ips", "routes", "dns", "ip4", "ip6"])
    }

    private mutating func readOldAddress(_ node: ConfigNode?) throws(ConfigError) {
        guard let node else { return }
        ips.append(
            IPConfiguration(address: try node.requiredPrefix("ip"), gateway: try node.address("gateway"))
        )
        routes += try node.presentElements("routes").map { node throws(ConfigError) in try RouteConfiguration(node) }
    }
}

extension Interface {
    init(_ node: ConfigNode) throws(ConfigError) {
        self.init(
            name: try node.string("name") ?? "",
            mac: try node.string("mac") ?? "",
            sandbox: try node.string("sandbox") ?? "",
            mtu: try node.unsigned("mtu")
        )
        socketPath = try node.string("socketPath")
        pciID = try node.string("pciID")
        unknown = node.unknown(["name", "mac", "sandbox", "mtu", "socketPath", "pciID"])
    }
}

extension IPConfiguration {
    init(_ node: ConfigNode) throws(ConfigError) {
        let index = try node.integer("interface", in: -1...Int64(Int32.max))
        self.init(
            address: try node.requiredPrefix("address"),
            gateway: try node.address("gateway"),
            // Some plugins write -1 for "none".
            interface: index.flatMap { $0 < 0 ? nil : Int($0) }
        )
        unknown = node.unknown(["version", "address", "gateway", "interface"])
    }
}

extension RouteConfiguration {
    /// Reads a route of a result or of a configuration.
    public init(_ node: ConfigNode) throws(ConfigError) {
        self.init(to: try node.requiredPrefix("dst"), via: try node.address("gw"))
        mtu = try node.unsigned("mtu")
        advertisedMSS = try node.unsigned("advmss")
        priority = try node.unsigned("priority")
        table = try node.unsigned("table")
        scope = try node.integer("scope", in: 0...255).map { UInt8($0) }
        unknown = node.unknown(["dst", "gw", "mtu", "advmss", "priority", "table", "scope"])
    }
}

extension DNS {
    /// Reads the key of a result or of a configuration.
    public init(_ node: ConfigNode) throws(ConfigError) {
        self.init()
        nameservers = try node.strings("nameservers") ?? []
        domain = try node.string("domain") ?? ""
        search = try node.strings("search") ?? []
        options = try node.strings("options") ?? []
    }
}

extension ConfigNode {
    /// The elements of a list, without those that are null; none if the key is missing.
    func presentElements(_ key: String) throws(ConfigError) -> [ConfigNode] {
        (try elements(key) ?? []).filter { $0.json != .null }
    }

    /// An address, or nothing if the key is missing or empty.
    public func address(_ key: String) throws(ConfigError) -> IPAddress? {
        guard let node = try member(key) else { return nil }
        let text = try node.string()
        if text.isEmpty { return nil }
        guard let address = IPAddress(text) else {
            throw node.fails("\"\(text)\" is not an IP address such as 10.1.0.1 or fd00::1")
        }
        return address
    }

    /// An address with the length of its network, or nothing if the key is missing or empty.
    public func prefix(_ key: String) throws(ConfigError) -> Prefix? {
        guard let node = try member(key) else { return nil }
        let text = try node.string()
        if text.isEmpty { return nil }
        guard let prefix = Prefix(text) else {
            throw node.fails("\"\(text)\" is not an address with a prefix length such as 10.1.0.0/16")
        }
        return prefix
    }

    /// A list of networks: an array, or one text with commas between them; host bits do not count.
    public func prefixes(_ key: String) throws(ConfigError) -> [Prefix] {
        guard let node = try member(key) else { return [] }
        var nodes = [node]
        if case .array = node.json { nodes = try node.elements() }
        var prefixes: [Prefix] = []
        for node in nodes {
            for part in Array(try node.string().utf8).split(separator: UInt8(ascii: ",")) {
                let text = String(decoding: part, as: UTF8.self)
                guard let prefix = Prefix(text) else {
                    throw node.fails("\"" + text + "\" is not a network such as 10.5.0.0/16")
                }
                prefixes.append(prefix.masked)
            }
        }
        return prefixes
    }

    /// An address with the length of its network, which must be there.
    func requiredPrefix(_ key: String) throws(ConfigError) -> Prefix {
        guard let prefix = try prefix(key) else { throw fails("\(key) is missing") }
        return prefix
    }

    /// A number without a sign, or nothing if the key is missing or 0.
    func unsigned(_ key: String) throws(ConfigError) -> UInt32? {
        let value = try integer(key, in: 0...Int64(UInt32.max)) ?? 0
        return value == 0 ? nil : UInt32(value)
    }

    /// The members whose keys are not among the given ones, letter case aside.
    func unknown(_ known: [String]) -> [JSONObject.Member] {
        guard case .object(let object) = json else { return [] }
        let known = JSONObject(known.map { .init($0, .null) })
        return object.members.filter { known[$0.key] == nil }
    }
}
