// SPDX-License-Identifier: Apache-2.0

/// What documents on standard output must look like, written from the specification.
enum Schema {
    /// The versions of the specification, in their order.
    static let versions = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]

    /// What is wrong with an error document.
    static func faults(ofError document: Value) -> [String] {
        var faults = members(of: document, required: ["code", "msg", "cniVersion"], optional: ["details"])
        if (document["code"]?.int ?? 0) <= 0 { faults.append("code is not a positive number") }
        if document["msg"]?.string ?? "" == "" { faults.append("msg is empty") }
        if document["details"]?.string == "" { faults.append("details is empty") }
        if !versions.contains(document["cniVersion"]?.string ?? "") { faults.append("cniVersion is not one of ours") }
        return faults
    }

    /// What is wrong with the result of an ADD for a version.
    static func faults(of result: Value, _ version: String) -> [String] {
        var faults = result["cniVersion"] == .string(version) ? [] : ["cniVersion is not \(version)"]
        switch version {
        case "0.1.0", "0.2.0":
            faults += members(of: result, required: ["cniVersion", "dns"], optional: ["ip4", "ip6"])
            if result["ip4"] == nil && result["ip6"] == nil { faults.append("no address") }
            for key in ["ip4", "ip6"] {
                guard let entry = result[key] else { continue }
                faults += members(of: entry, required: ["ip"], optional: ["gateway", "routes"])
                faults += address(entry["ip"], hasLength: true, isIPv6: key == "ip6")
                faults += address(entry["gateway"], hasLength: false, isIPv6: key == "ip6")
                faults += (entry["routes"]?.array ?? []).flatMap { route($0, isRich: false) }
            }
        default:
            let isOld = version.hasPrefix("0.")
            faults += members(
                of: result,
                required: isOld ? ["cniVersion", "dns"] : ["cniVersion"],
                optional: ["interfaces", "ips", "routes", "dns"]
            )
            let interfaces = result["interfaces"]?.array ?? []
            faults += interfaces.flatMap { interface($0, isRich: !isOld) }
            faults += (result["ips"]?.array ?? []).flatMap { ip($0, isOld: isOld, interfaces: interfaces.count) }
            faults += (result["routes"]?.array ?? []).flatMap { route($0, isRich: !isOld) }
            for key in ["interfaces", "ips", "routes"] where result[key] == [] { faults.append("\(key) is empty") }
        }
        if let dns = result["dns"] {
            faults += members(of: dns, required: [], optional: ["nameservers", "domain", "search", "options"])
        }
        return faults
    }

    private static func interface(_ value: Value, isRich: Bool) -> [String] {
        let rich = ["mtu", "socketPath", "pciID"]
        var faults = members(of: value, required: ["name"], optional: ["mac", "sandbox"] + (isRich ? rich : []))
        if value["name"]?.string ?? "" == "" { faults.append("an interface has no name") }
        if value["sandbox"]?.string == "" || value["mac"]?.string == "" { faults.append("an empty member is written") }
        return faults
    }

    private static func ip(_ value: Value, isOld: Bool, interfaces: Int) -> [String] {
        var faults = members(
            of: value,
            required: isOld ? ["version", "address"] : ["address"],
            optional: ["gateway", "interface"]
        )
        let isIPv6 = value["address"]?.string?.contains(":") == true
        if isOld && value["version"] != (isIPv6 ? "6" : "4") { faults.append("version does not fit the address") }
        faults += address(value["address"], hasLength: true, isIPv6: isIPv6)
        faults += address(value["gateway"], hasLength: false, isIPv6: isIPv6)
        if let index = value["interface"], !(0..<interfaces).contains(index.int ?? -1) {
            faults.append("interface \(index.text) is none of the \(interfaces)")
        }
        return faults
    }

    private static func route(_ value: Value, isRich: Bool) -> [String] {
        let rich = ["mtu", "advmss", "priority", "table", "scope"]
        let isIPv6 = value["dst"]?.string?.contains(":") == true
        return members(of: value, required: ["dst"], optional: ["gw"] + (isRich ? rich : []))
            + address(value["dst"], hasLength: true, isIPv6: isIPv6)
            + address(value["gw"], hasLength: false, isIPv6: isIPv6)
    }

    private static func address(_ value: Value?, hasLength: Bool, isIPv6: Bool) -> [String] {
        guard let value else { return [] }
        guard let text = value.string, text.contains(isIPv6 ? ":" : "."), text.contains("/") == hasLength else {
            return ["\(value.text) is not an address of its kind"]
        }
        return []
    }

    private static func members(of value: Value, required: [String], optional: [String]) -> [String] {
        guard case .object = value else { return ["\(value.text) is not an object"] }
        let missing = Set(required).subtracting(value.keys).sorted().map { "\($0) is missing" }
        return missing + value.keys.subtracting(required + optional).sorted().map { "\($0) does not belong here" }
    }
}
