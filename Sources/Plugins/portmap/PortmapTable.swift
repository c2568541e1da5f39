// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import NFTables
import Rules

/// The mappings of a container as elements of maps, so that one look-up serves a packet however many there are.
struct PortmapTable {
    static var table: SharedTable {
        SharedTable("inet swift_cni_portmap") { base in
            for (n, ip) in [("4", "ipv4_addr"), ("6", "ipv6_addr")] {
                base.add(
                    .map("hosts" + n, joined("type ", ip, " . inet_proto . inet_service : ", ip, " . inet_service;"))
                )
                base.add(.map("ports" + n, joined("type inet_proto . inet_service : ", ip, " . inet_service;")))
                base.add(.set("pairs" + n, joined("type ", ip, " . ", ip, ";")))
                base.add(.set("near" + n, joined("type ifname . ", ip, ";")))
                base.add(.set("all" + n, joined("type ", ip, ";")))
            }
            base.add(.map("conditional", "type inet_proto . inet_service : verdict;"))
            base.add(.chain("translate"))
            base.add(.rule(in: "translate", "meta l4proto . th dport vmap @conditional"))
            for (n, ip) in [("4", "ip"), ("6", "ip6")] {
                let port = "meta l4proto . th dport map @"
                base.add(.rule(in: "translate", joined("dnat ", ip, " to ", ip, " daddr . ", port, "hosts", n)))
                base.add(.rule(in: "translate", joined("dnat ", ip, " to ", port, "ports", n)))
            }
            for (hook, name) in [("prerouting", "prerouting"), ("output", "output")] {
                base.add(.chain(name, joined("type nat hook ", hook, " priority -100; policy accept;")))
                base.add(.rule(in: name, "fib daddr type local jump translate"))
            }
            base.add(.chain("postrouting", "type nat hook postrouting priority 100; policy accept;"))
            for (n, ip) in [("4", "ip"), ("6", "ip6")] {
                let front = "ct status dnat "
                base.add(
                    .rule(in: "postrouting", joined(front, ip, " saddr . ", ip, " daddr @pairs", n, " masquerade"))
                )
                base.add(.rule(in: "postrouting", joined(front, "iifname . ", ip, " daddr @near", n, " masquerade")))
                base.add(.rule(in: "postrouting", joined(front, ip, " daddr @all", n, " masquerade")))
            }
            // With route_localnet a neighbour could reach what listens on the host's loopback only. Nothing on a wire is
            // rightly addressed so; answers bear such an address only once they are translated back, which comes later.
            base.add(.chain("loopback", "type filter hook prerouting priority -300; policy accept;"))
            base.add(.rule(in: "loopback", "iifname != \"lo\" ip daddr 127.0.0.0/8 drop"))
        }
    }

    /// What an attachment is to have in the table.
    static func belongings(
        _ attachment: Attachment,
        _ mappings: [PortMapping],
        _ targets: [Target],
        _ style: Style,
        taken: [Element] = []
    ) -> Belongings {
        var belongings = Belongings()
        var waits: [(element: Element, value: String)] = []
        let others = ElementSet(taken)
        for target in targets {
            let (family, address) = (target.address.family, target.address.description)
            let n = family == .v4 ? "4" : "6"
            let front = address + " . "
            for mapping in mappings where mapping.applies(to: family) && style.conditions(family).isEmpty {
                let transport = mapping.transport.rawValue + " . "
                let (map, key) = mapping.key(n, transport)
                if !taken.isEmpty, case let element = Element(map: map, key: key + String(mapping.hostPort)),
                    others.contains(element)
                {
                    waits.append((element, front + String(mapping.containerPort)))
                } else {
                    belongings.add(map, key, port: mapping.hostPort, front, mapping.containerPort)
                }
            }
            guard style.snat else { continue }
            if style.masqAll {
                belongings.add("all" + n, address)
                continue
            }
            // The container itself, and its neighbours, would get the answer from an address that they did not ask.
            belongings.add("pairs" + n, joined(address, " . ", address))
            if let interface = target.interface {
                belongings.add("near" + n, joined(Object.quoted(interface), " . ", address))
            }
            if family == .v4 { belongings.add("pairs4", joined("127.0.0.1 . ", address)) }
        }
        addConditional(attachment, mappings, targets, style, &belongings)
        wait(for: waits, &belongings)
        return belongings
    }

    /// The rule of a mapping with conditions.
    static func conditional(_ mapping: PortMapping, _ target: Target, _ conditions: String) -> String {
        let ip = target.address.family == .v4 ? "ip" : "ip6"
        return joined(
            mapping.hostIP.map { joined(ip, " daddr ", $0.description, " ") } ?? "",
            mapping.transport.rawValue,
            " dport ",
            String(mapping.hostPort),
            " ",
            conditions,
            " dnat ",
            ip,
            " to ",
            target.destination,
            ":",
            String(mapping.containerPort)
        )
    }

    /// Mappings with conditions have rules of their own, to which their port leads.
    private static func addConditional(
        _ attachment: Attachment,
        _ mappings: [PortMapping],
        _ targets: [Target],
        _ style: Style,
        _ belongings: inout Belongings
    ) {
        var rules: [String] = []
        var ports: [PortMapping] = []
        for target in targets {
            let (family, conditions) = (target.address.family, style.conditions(target.address.family))
            if conditions.isEmpty { continue }
            for mapping in mappings where mapping.applies(to: family) {
                rules.append(conditional(mapping, target, conditions))
                let isKnown = ports.contains { $0.transport == mapping.transport && $0.hostPort == mapping.hostPort }
                if !isKnown { ports.append(mapping) }
            }
        }
        if rules.isEmpty { return }
        let chain = "when-" + attachment.digits
        belongings.addChain(chain, rules)
        for port in ports {
            belongings.add(
                "conditional",
                joined(port.transport.rawValue, " . ", String(port.hostPort)),
                "jump " + chain
            )
        }
    }
}

extension PortMapping {
    /// The map of the element, and its key up to the port.
    fileprivate func key(_ n: String, _ transport: String) -> (map: String, key: String) {
        guard let hostIP else { return ("ports" + n, transport) }
        return ("hosts" + n, joined(hostIP.description, " . ", transport))
    }
}
