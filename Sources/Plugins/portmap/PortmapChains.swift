// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import Linux
import NFTables
import Rules

/// The mappings of a container as the reference's chains of iptables, by name and form, so that either suite removes what
/// the other one made.
struct PortmapChains {
    static var nat: String { "nat" }
    static var raw: String { "raw" }
    static var entry: String { "CNI-HOSTPORT-DNAT" }
    static var setMark: String { "CNI-HOSTPORT-SETMARK" }
    static var masquerade: String { "CNI-HOSTPORT-MASQ" }
    /// With route_localnet a neighbour could reach what listens on the host's loopback only, and ports that are published there.
    static var shield: String {
        "-A PREROUTING -d 127.0.0.0/8 ! -i lo -m comment --comment \"CNI portfwd loopback\" -j DROP"
    }

    let attachment: Attachment
    /// The name of the container's chain, of which the interface is no part.
    let chain: String

    init(_ attachment: Attachment) {
        self.attachment = attachment
        chain = Self.chain(attachment)
    }

    static func chain(_ attachment: Attachment) -> String {
        let hash = SHA512.hexadecimal(of: Array(attachment.network.utf8) + Array(attachment.containerID.utf8))
        return "CNI-DN-" + String(decoding: hash.utf8.prefix(21), as: UTF8.self)
    }

    /// Adds the mappings: two calls of iptables for each family, of which one reads.
    func add(_ mappings: [PortMapping], _ targets: [Target], _ style: Style) throws(CNIError) {
        let lock = try SharedInterfaceLock.acquire(alone: true)
        defer { withExtendedLifetime(lock) {} }
        var snapshots: [IPTables.Snapshot] = []
        var holders = Holders()
        for target in targets {
            let present = try IPTables(target.address.family).list(Self.nat, and: Self.raw)
            findHolders(mappings, target, present, &holders)
            snapshots.append(present)
        }
        try holders.refuseLiving()
        for (target, present) in zip(targets, snapshots) {
            let family = target.address.family
            let own = mappings.filter { $0.applies(to: family) }
            let dead = holders.chains.filter { present.chains.contains($0) }
            var lines = (dead + [chain]).flatMap { present.leading(to: $0) }.map { $0.deletion }
            lines += dead.map { "-F " + $0 } + [":" + chain] + shared(style, present)
            let (narrow, wide) = entries(own, style.conditions(family))
            lines +=
                narrow.reversed().map { joined("-I ", Self.entry, $0) } + wide.map { joined("-A ", Self.entry, $0) }
            lines += rules(own, target, style) + dead.map { "-X " + $0 } + loopback(style, family, present)
            try IPTables(family).change(Self.nat, lines)
        }
        if style.snat, let interface = Localnet.interface(targets) { try Localnet.set(interface, true) }
    }

    /// An address as iptables prints it.
    static func text(_ address: IPAddress) -> String {
        joined(address.description, "/", String(address.family.hostLength))
    }

    /// What all containers share, as far as it is missing.
    func shared(_ style: Style, _ present: IPTables.Snapshot) -> [String] {
        var lines: [String] = []
        if !present.chains.contains(Self.entry) { lines.append("-N " + Self.entry) }
        for hook in ["PREROUTING", "OUTPUT"]
        where !present.inChain(hook).contains(where: { $0.value(of: "-j") == Self.entry }) {
            lines.append(joined("-A ", hook, " -m addrtype --dst-type LOCAL -j ", Self.entry))
        }
        guard style.snat, style.externalSetMarkChain == nil else { return lines }
        let mark = joined("0x", String(style.mark, radix: 16))
        if !present.chains.contains(Self.setMark) { lines.append("-N " + Self.setMark) }
        if !present.inChain(Self.setMark).contains(where: { $0.value(of: "--set-xmark") == joined(mark, "/", mark) }) {
            lines.append(
                joined(
                    "-A ",
                    Self.setMark,
                    " -m comment --comment \"CNI portfwd masquerade mark\" -j MARK --set-xmark ",
                    mark,
                    "/",
                    mark
                )
            )
        }
        if !present.chains.contains(Self.masquerade) { lines.append("-N " + Self.masquerade) }
        if !present.inChain(Self.masquerade).contains(where: { $0.value(of: "--mark") == joined(mark, "/", mark) }) {
            lines.append(joined("-A ", Self.masquerade, " -m mark --mark ", mark, "/", mark, " -j MASQUERADE"))
        }
        if !present.inChain("POSTROUTING").contains(where: { $0.value(of: "-j") == Self.masquerade }) {
            lines.append(
                joined(
                    "-I POSTROUTING 1 -m comment --comment \"CNI portfwd requiring masquerade\" -j ",
                    Self.masquerade
                )
            )
        }
        return lines
    }

    /// The comment of the rules that lead to the container's chain.
    static func comment(_ network: String, _ containerID: String) -> String {
        let text = joined("dnat name: \"", network, "\" id: \"", containerID, "\"")
        return text.utf8.count <= 255 ? text : String(decoding: text.utf8.prefix(252), as: UTF8.self) + "..."
    }

    /// The rule that guards the host's loopback, if it is needed and missing.
    func loopback(_ style: Style, _ family: IPAddress.Family, _ present: IPTables.Snapshot) -> [String] {
        if !style.snat || family == .v6 || present.rules.contains(Self.shield) { return [] }
        return ["*" + Self.raw, "-I" + String(decoding: Array(Self.shield.utf8.dropFirst(2)), as: UTF8.self)]
    }

    /// What leads to the container's chain, for one address and for all: a match takes 15 ports.
    func entries(_ mappings: [PortMapping], _ conditions: String) -> (narrow: [String], wide: [String]) {
        let comment = IPTables.quoted(Self.comment(attachment.network, attachment.containerID))
        let isFree = !Self.nameDestination(conditions)
        var narrow: [String] = []
        var wide: [String] = []
        var next = 0
        while next < mappings.count {
            let first = mappings[next]
            var ports: [String] = []
            while next < mappings.count, ports.count < 15, mappings[next].hostIP == first.hostIP,
                mappings[next].transport == first.transport
            {
                let port = String(mappings[next].hostPort)
                if ports.last != port { ports.append(port) }
                next += 1
            }
            let host = isFree ? first.hostIP.map { " -d " + Self.text($0) } : nil
            let rule = joined(
                host ?? "",
                " -p ",
                first.transport.rawValue,
                " -m comment --comment ",
                comment,
                " -m multiport --dports ",
                ports.joined(separator: ","),
                conditions.isEmpty ? "" : " ",
                conditions,
                " -j ",
                chain
            )
            if first.hostIP == nil { wide.append(rule) } else { narrow.append(rule) }
        }
        return (narrow, wide)
    }

    /// Whether conditions speak of the destination, which a rule can do but once.
    static func nameDestination(_ conditions: String) -> Bool {
        ["-d", "--dst", "--destination"].contains { conditions.value(of: $0) != nil }
    }

    /// The rules of the container's chain, as iptables prints them.
    func rules(_ mappings: [PortMapping], _ target: Target, _ style: Style) -> [String] {
        let marking = style.externalSetMarkChain ?? Self.setMark
        var sources: [String] = []
        if style.snat {
            let network = target.prefix.masked
            sources = style.masqAll || network.length == 0 ? [""] : [" -s " + network.description]
            if target.address.family == .v4, !style.masqAll { sources.append(" -s 127.0.0.1/32") }
        }
        var lines: [String] = []
        for mapping in mappings {
            let (transport, port) = (mapping.transport.rawValue, String(mapping.hostPort))
            let host = mapping.hostIP.map { " -d " + Self.text($0) } ?? ""
            let match = joined(host, " -p ", transport, " -m ", transport, " --dport ", port, " -j ")
            for source in sources { lines.append(joined("-A ", chain, source, match, marking)) }
            lines.append(
                joined(
                    "-A ",
                    chain,
                    match,
                    "DNAT --to-destination ",
                    target.destination,
                    ":",
                    String(mapping.containerPort)
                )
            )
        }
        return lines
    }
}
