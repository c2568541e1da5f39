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
    static var entry: String { "CNI-HOSTPORT-DNAT" }
    static var setMark: String { "CNI-HOSTPORT-SETMARK" }
    static var masquerade: String { "CNI-HOSTPORT-MASQ" }

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

    /// Adds the mappings, one call of iptables for each family.
    func add(_ mappings: [PortMapping], _ targets: [Target], _ style: Style) throws(CNIError) {
        let lock = try SharedInterfaceLock.acquire(alone: true)
        defer { withExtendedLifetime(lock) {} }
        for target in targets {
            let family = target.address.family
            let own = mappings.filter { $0.applies(to: family) }
            let tables = IPTables(family)
            let present = try tables.list(Self.nat)
            try refuseTaken(own, present)
            var lines = present.leading(to: chain).map { $0.deletion } + [":" + chain]
            lines += shared(style, family, present)
            lines += entries(own, style.conditions(family)) + rules(own, target, style)
            try tables.change(Self.nat, lines)
        }
        if style.snat, let interface = Localnet.interface(targets) { try Localnet.set(interface, true) }
    }

    /// Refuses a port that leads to another container.
    private func refuseTaken(_ mappings: [PortMapping], _ present: IPTables.Snapshot) throws(CNIError) {
        for rule in present.rules where rule.utf8.starts(with: "-A CNI-DN-".utf8) && rule.value(of: "-j") == "DNAT" {
            guard let holder = rule.value(of: "-A"), holder != chain else { continue }
            for mapping in mappings {
                guard rule.value(of: "-p") == mapping.transport.rawValue,
                    rule.value(of: "--dport") == String(mapping.hostPort),
                    rule.value(of: "-d")
                        == mapping.hostIP.map({ joined($0.description, "/", String($0.family.hostLength)) })
                else {
                    continue
                }
                let owner = present.leading(to: holder).first ?? holder
                // Another attachment of the same container: the first rule serves, and the other one after it.
                if owner.mentions(joined("id: \\\"", attachment.containerID, "\\\"")) { continue }
                throw CNIError(
                    .portTaken,
                    "a host port is taken",
                    joined(
                        mapping.description,
                        " belongs to ",
                        owner,
                        "; publish another port or address, or end that attachment by DEL or GC"
                    )
                )
            }
        }
    }

    /// What all containers share, as far as it is missing.
    private func shared(_ style: Style, _ family: IPAddress.Family, _ present: IPTables.Snapshot) -> [String] {
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

    /// The rules that lead to the container's chain: a match takes 15 ports.
    private func entries(_ mappings: [PortMapping], _ conditions: String) -> [String] {
        let comment = IPTables.quoted(Self.comment(attachment.network, attachment.containerID))
        var lines: [String] = []
        for transport in [PortMapping.Transport.sctp, .tcp, .udp] {
            var ports: [String] = []
            for mapping in mappings where mapping.transport == transport {
                let port = String(mapping.hostPort)
                if !ports.contains(port) { ports.append(port) }
            }
            for start in stride(from: 0, to: ports.count, by: 15) {
                lines.append(
                    joined(
                        "-A ",
                        Self.entry,
                        " -p ",
                        transport.rawValue,
                        " -m comment --comment ",
                        comment,
                        " -m multiport --dports ",
                        ports[start..<min(start + 15, ports.count)].joined(separator: ","),
                        conditions.isEmpty ? "" : " ",
                        conditions,
                        " -j ",
                        chain
                    )
                )
            }
        }
        return lines
    }

    /// The rules of the container's chain.
    func rules(_ mappings: [PortMapping], _ target: Target, _ style: Style) -> [String] {
        let isV4 = target.address.family == .v4
        let address = target.address.description
        let marking = style.externalSetMarkChain ?? Self.setMark
        var lines: [String] = []
        for mapping in mappings {
            let transport = mapping.transport.rawValue
            let front = joined("-A ", chain, mapping.hostIP.map { joined(" -d ", $0.description) } ?? "")
            let match = joined(" -p ", transport, " -m ", transport, " --dport ", String(mapping.hostPort), " -j ")
            if style.snat {
                var sources = [joined(" -s ", target.prefix.masked.description)]
                if isV4 { sources.append(" -s 127.0.0.1/32") }
                for source in style.masqAll ? [""] : sources { lines.append(joined(front, source, match, marking)) }
            }
            let destination = isV4 ? address : joined("[", address, "]")
            lines.append(
                joined(front, match, "DNAT --to-destination ", destination, ":", String(mapping.containerPort))
            )
        }
        return lines
    }
}
