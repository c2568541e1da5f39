// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support

/// A namespace and an address store in a form that a reviewer can read at a glance.
enum StateText {
    private struct Link: Decodable {
        struct Address: Decodable {
            let local: String?
            let prefixlen: Int
            let scope: String
        }
        struct Info: Decodable {
            struct Port: Decodable {
                let hairpin: Bool?
                let isolated: Bool?
            }
            let infoKind: String?
            let infoSlaveData: Port?
        }
        let ifname: String
        let flags: [String]
        let mtu: Int
        let address: String?
        let master: String?
        let ifalias: String?
        let promiscuity: Int?
        let linkinfo: Info?
        let addrInfo: [Address]
    }

    /// The links with their addresses, the routes, and whether packets are passed on.
    static func namespace() throws -> String {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let links = try decoder.decode([Link].self, from: Data(Programs.run("ip", "-j", "-d", "address", "show").utf8))
        var lines = links.filter { $0.ifname != "lo" || !$0.addrInfo.isEmpty }.flatMap { describe($0) }
        lines += try routes("-4") + routes("-6")
        for key in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            let value = try String(contentsOfFile: "/proc/sys/net/\(key)", encoding: .utf8)
            if value != "0\n" { lines.append("setting \(key) = \(value.prefix(1))") }
        }
        return lines.map { "\($0)\n" }.joined()
    }

    private static func describe(_ link: Link) -> [String] {
        var words = [link.linkinfo?.infoKind ?? "link", link.ifname, link.flags.contains("UP") ? "up" : "down"]
        words += ["mtu", "\(link.mtu)"]
        if link.ifname != "lo" { words.append(link.address ?? "") }
        if let master = link.master { words += ["master", master] }
        if link.promiscuity ?? 0 > 0 { words.append("promiscuous") }
        if link.linkinfo?.infoSlaveData?.hairpin == true { words.append("hairpin") }
        if link.linkinfo?.infoSlaveData?.isolated == true { words.append("isolated") }
        if let alias = link.ifalias { words += ["alias", alias] }
        let addresses = link.addrInfo.filter { $0.scope != "link" }
        return [words.joined(separator: " ")] + addresses.map { "    \($0.local ?? "")/\($0.prefixlen)" }.sorted()
    }

    private static func routes(_ family: String) throws -> [String] {
        try Programs.run("ip", family, "route", "show", "table", "all").split(separator: "\n").map { String($0) }
            .filter { line in
                ["local ", "broadcast ", "multicast ", "anycast ", "fe80::"].allSatisfy { !line.hasPrefix($0) }
            }
            .map { "route " + $0.replacing(" pref medium", with: "").replacing(" linkdown", with: "") }
            .map { $0.trimmingCharacters(in: .whitespaces) }.sorted()
    }

    /// The files of a data directory, one a line, without the index, which is only a cache.
    ///
    /// What a delegate that was broken off may have left or not can be passed over.
    static func store(_ directory: String, leasesOnly: Bool) throws -> String {
        let manager = FileManager.default
        guard manager.fileExists(atPath: directory) else { return "" }
        return try manager.subpathsOfDirectory(atPath: directory).sorted().compactMap { path in
            let attributes = try manager.attributesOfItem(atPath: "\(directory)/\(path)")
            if attributes[.type] as? FileAttributeType == .typeDirectory || path.contains(".index") { return nil }
            if leasesOnly, path.hasSuffix("/lock") || path.contains("/last_reserved_ip.") { return nil }
            let content = try String(contentsOfFile: "\(directory)/\(path)", encoding: .utf8)
            return "store \(path) \(content.debugDescription)\n"
        }.joined()
    }
}

/// Replaces what is never the same twice by names that stay, in the order in which things appear.
struct Normaliser {
    private var names: [String: String] = [:]
    /// Texts that have a name of their own, such as paths.
    let known: [(text: String, name: String)]

    init(known: [(text: String, name: String)]) { self.known = known }

    /// The text with names in it.
    mutating func normalise(_ text: String) -> String {
        var text = text
        for (old, name) in known { text = text.replacing(old, with: name) }
        for match in text.matches(of: #/(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/#) {
            let mac = String(match.output)
            if names[mac] == nil { names[mac] = "MAC-\(names.count + 1)" }
        }
        for (mac, name) in names { text = text.replacing(mac, with: name) }
        return text
    }
}
