// SPDX-License-Identifier: Apache-2.0

import AddressStore
import Addressing
import CNI
import JSON
import Linux

/// The keys that the plugin reads.
struct HostLocalConfiguration: PluginConfiguration {
    var dataDir = "/var/lib/cni/networks"
    var sets: [RangeSet] = []
    var routes: [RouteConfiguration] = []
    private var resolvConf: String?
    /// The addresses that args.cni and runtimeConfig ask for.
    private var requested: [IPAddress] = []

    init(_ node: ConfigNode) throws(ConfigError) {
        guard let ipam = try node.member("ipam") else { throw node.fails("IPAM config missing 'ipam' key") }
        if let directory = try ipam.string("dataDir"), !directory.isEmpty { dataDir = directory }
        resolvConf = try ipam.string("resolvConf").flatMap { $0.isEmpty ? nil : $0 }
        for route in try ipam.elements("routes") ?? [] { routes.append(try RouteConfiguration(route)) }
        let runtime = try node.member("runtimeConfig")
        for set in try runtime?.elements("ipRanges") ?? [] { sets.append(try RangeSet(set)) }
        if try ipam.string("subnet") ?? "" != "" { sets.append(RangeSet([try RangeSet.Range(ipam)])) }
        for set in try ipam.elements("ranges") ?? [] { sets.append(try RangeSet(set)) }
        guard !sets.isEmpty else { throw ipam.fails("no IP ranges specified; give subnet or ranges") }
        try refuseOverlaps(ipam)
        for holder in [try node.member("args")?.member("cni"), runtime] {
            for text in try holder?.elements("ips") ?? [] { requested.append(try Self.address(text)) }
        }
    }

    private func refuseOverlaps(_ node: ConfigNode) throws(ConfigError) {
        for (index, set) in sets.enumerated() {
            for (other, later) in sets.enumerated().dropFirst(index + 1) where set.overlaps(later) {
                throw node.fails("range set \(index) overlaps with \(other)")
            }
        }
    }

    /// Reads an address whose prefix length may be there and does not count.
    private static func address(_ node: ConfigNode) throws(ConfigError) -> IPAddress {
        let text = try node.string()
        guard let address = IPAddress(text) ?? Prefix(text)?.address else {
            throw node.fails("\"\(text)\" is not an IP address such as 10.1.0.5")
        }
        return address
    }

    /// Refuses what a version has no way to say.
    func validate(for version: Version) throws(CNIError) {
        guard version < .v0_3_0 else { return }
        for family in [IPAddress.Family.v4, .v6] where sets.filter({ $0.family == family }).count > 1 {
            throw CNIError(
                .invalidConfiguration,
                "CNI version \(version.description) does not support more than 1 address per family",
                "ipam.ranges: use cniVersion 0.3.0 or newer, or one range set for each family"
            )
        }
    }

    /// What is needed of each set: an address that was asked for, from all three places, or any.
    func requests(_ arguments: Arguments) throws(CNIError) -> [AddressRequest] {
        var wanted: [IPAddress] = []
        if let text = arguments["IP"], !text.isEmpty {
            guard let address = IPAddress(text) ?? Prefix(text)?.address else {
                throw CNIError(
                    .invalidEnvironment,
                    "CNI_ARGS: invalid IP \"\(text)\"",
                    "it must be an address such as 10.1.0.5"
                )
            }
            wanted.append(address)
        }
        // Runtimes repeat themselves: podman's reload sends each address twice.
        for address in requested where !wanted.contains(address) { wanted.append(address) }
        var requests: [AddressRequest] = []
        for set in sets {
            let match = wanted.firstIndex { set.range(of: $0) != nil }
            requests.append(AddressRequest(set, address: match.map { wanted.remove(at: $0) }))
        }
        guard wanted.isEmpty else {
            let list = wanted.map { $0.description }.joined(separator: " ")
            throw CNIError(
                .addressUnavailable,
                "failed to allocate all requested IPs: \(list)",
                "each must be in a range set of its own: \(sets.map { $0.description }.joined(separator: "; "))"
            )
        }
        return requests
    }

    /// The entry of a result for an address that was given.
    func configurations(of address: IPAddress) -> [IPConfiguration] {
        for set in sets {
            if let range = set.range(of: address), let prefix = Prefix(address: address, length: range.subnet.length) {
                return [IPConfiguration(address: prefix, gateway: range.gateway)]
            }
        }
        return []
    }

    /// What the file of name servers says, if the configuration names one.
    func dns() throws(CNIError) -> DNS {
        guard let resolvConf else { return DNS() }
        do { return DNS(resolvConf: try FileDescriptor.open(resolvConf).readAll()) } catch {
            throw CNIError.inputOutput(error, "read ipam.resolvConf, \(resolvConf)")
        }
    }

    /// The lowest directory on the way to the network's that exists, or what is in its place.
    func existingDirectory(_ network: String) -> String {
        var path = "\(dataDir)/\(network)"
        while (try? FileStatus.of(path)) ?? nil == nil, let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")),
            slash != path.startIndex
        {
            path = String(path[..<slash])
        }
        return path
    }
}

extension DNS {
    /// Reads the format of resolv.conf(5).
    init(resolvConf: [UInt8]) {
        self.init()
        for line in resolvConf.split(separator: UInt8(ascii: "\n")) {
            let words = line.split { $0 == 32 || $0 == 9 || $0 == 13 }.map { String(decoding: $0, as: UTF8.self) }
            guard let keyword = words.first, words.count > 1 else { continue }
            switch keyword {
            case "nameserver": nameservers.append(words[1])
            case "domain": domain = words[1]
            case "search": search += words.dropFirst()
            case "options": options += words.dropFirst()
            default: break
            }
        }
    }
}
