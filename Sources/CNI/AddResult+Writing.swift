// SPDX-License-Identifier: Apache-2.0

import Addressing
import JSON

extension AddResult {
    /// The result in the shape of a version.
    ///
    /// - Throws: Code 7 if the version has no way to say it, which is so for versions before 0.3.0 without any address.
    public func json(_ version: Version) throws(CNIError) -> JSON {
        var object = JSONObject([.init("cniVersion", .string(version.description))])
        if version < .v0_3_0 {
            try writeOldAddresses(version, into: &object)
        } else {
            let keep = source == version
            object.append("interfaces", list: interfaces.map { $0.json(version, keep) })
            object.append("ips", list: ips.map { $0.json(version, keep) })
            object.append("routes", list: routes.map { $0.json(version, keep) })
        }
        if version < .v1_0_0 || !dns.isEmpty { object.append("dns", dns.json) }
        if source == version { for member in unknown { object.append(member.key, member.value) } }
        return .object(object)
    }

    /// Writes the first address of each family with the routes of that family.
    private func writeOldAddresses(_ version: Version, into object: inout JSONObject) throws(CNIError) {
        guard !ips.isEmpty else {
            throw CNIError(
                .invalidConfiguration,
                "cannot convert: no valid IP addresses",
                "cniVersion \(version.description) has no form for a result without addresses; use 0.3.0 or newer"
            )
        }
        for (key, family) in [("ip4", IPAddress.Family.v4), ("ip6", .v6)] {
            guard let ip = ips.first(where: { $0.address.address.family == family }) else { continue }
            var entry = JSONObject([.init("ip", .string(ip.address.description))])
            if let gateway = ip.gateway { entry.append("gateway", .string(gateway.description)) }
            let own = routes.filter { $0.destination.address.family == family }
            entry.append("routes", list: own.map { $0.json(version, false) })
            object.append(key, .object(entry))
        }
    }
}

extension Interface {
    fileprivate func json(_ version: Version, _ keepsUnknown: Bool) -> JSON {
        var object = JSONObject([.init("name", .string(name))])
        object.append("mac", text: mac)
        if version >= .v1_0_0 { object.append("mtu", number: mtu) }
        object.append("sandbox", text: sandbox)
        if version >= .v1_0_0 {
            object.append("socketPath", text: socketPath ?? "")
            object.append("pciID", text: pciID ?? "")
        }
        if keepsUnknown { for member in unknown { object.append(member.key, member.value) } }
        return .object(object)
    }
}

extension IPConfiguration {
    fileprivate func json(_ version: Version, _ keepsUnknown: Bool) -> JSON {
        var object = JSONObject()
        if version < .v1_0_0 { object.append("version", .string(address.address.family == .v4 ? "4" : "6")) }
        object.append("interface", number: interface.map { UInt32($0) })
        object.append("address", .string(address.description))
        if let gateway { object.append("gateway", .string(gateway.description)) }
        if keepsUnknown { for member in unknown { object.append(member.key, member.value) } }
        return .object(object)
    }
}

extension RouteConfiguration {
    fileprivate func json(_ version: Version, _ keepsUnknown: Bool) -> JSON {
        var object = JSONObject([.init("dst", .string(destination.description))])
        if let gateway { object.append("gw", .string(gateway.description)) }
        if version >= .v1_0_0 {
            object.append("mtu", number: mtu)
            object.append("advmss", number: advertisedMSS)
            object.append("priority", number: priority)
            object.append("table", number: table)
            object.append("scope", number: scope.map { UInt32($0) })
        }
        if keepsUnknown { for member in unknown { object.append(member.key, member.value) } }
        return .object(object)
    }
}

extension DNS {
    fileprivate var json: JSON {
        var object = JSONObject()
        object.append("nameservers", list: nameservers.map { .string($0) })
        object.append("domain", text: domain)
        object.append("search", list: search.map { .string($0) })
        object.append("options", list: options.map { .string($0) })
        return .object(object)
    }
}

extension JSONObject {
    fileprivate mutating func append(_ key: String, list: [JSON]) { if !list.isEmpty { append(key, .array(list)) } }

    fileprivate mutating func append(_ key: String, text: String) { if !text.isEmpty { append(key, .string(text)) } }

    fileprivate mutating func append(_ key: String, number: UInt32?) {
        if let number { append(key, .int(Int(number))) }
    }
}
