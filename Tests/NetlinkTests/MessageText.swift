// SPDX-License-Identifier: Apache-2.0

@testable import Netlink

/// Messages as hexadecimal text, four bytes a line with what they are behind them.
///
/// Written from rtnetlink(7) and the headers of netfilter with the numbers of the kernel's headers spelled out, and not with the code under test, so
/// that the two can disagree.
struct MessageText {
    /// What the value of an attribute is.
    private indirect enum Value {
        case text, number, bytes
        case nest(String)
        case vlan
        case port, mask
    }

    private static let attributes: [String: [Int: (String, Value)]] = [
        "link": [
            1: ("IFLA_ADDRESS", .bytes), 3: ("IFLA_IFNAME", .text), 4: ("IFLA_MTU", .number),
            10: ("IFLA_MASTER", .number), 13: ("IFLA_TXQLEN", .number),
            12: ("IFLA_PROTINFO", .nest("port")), 18: ("IFLA_LINKINFO", .nest("info")), 20: ("IFLA_IFALIAS", .text),
            26: ("IFLA_AF_SPEC", .nest("families")), 28: ("IFLA_NET_NS_FD", .number), 29: ("IFLA_EXT_MASK", .number),
        ],
        "info": [1: ("IFLA_INFO_KIND", .text), 2: ("IFLA_INFO_DATA", .nest("data"))],
        "veth": [1: ("VETH_INFO_PEER", .nest("peer"))],
        "vxlan": [
            1: ("IFLA_VXLAN_ID", .number), 2: ("IFLA_VXLAN_GROUP", .bytes), 3: ("IFLA_VXLAN_LINK", .number),
            4: ("IFLA_VXLAN_LOCAL", .bytes), 5: ("IFLA_VXLAN_TTL", .number), 6: ("IFLA_VXLAN_TOS", .number),
            7: ("IFLA_VXLAN_LEARNING", .number), 11: ("IFLA_VXLAN_PROXY", .number),
            15: ("IFLA_VXLAN_PORT", .port), 16: ("IFLA_VXLAN_GROUP6", .bytes),
            17: ("IFLA_VXLAN_LOCAL6", .bytes), 18: ("IFLA_VXLAN_UDP_CSUM", .number),
            19: ("IFLA_VXLAN_UDP_ZERO_CSUM6_TX", .number), 20: ("IFLA_VXLAN_UDP_ZERO_CSUM6_RX", .number),
            28: ("IFLA_VXLAN_TTL_INHERIT", .bytes), 29: ("IFLA_VXLAN_DF", .number),
        ],
        "bridge": [7: ("IFLA_BR_VLAN_FILTERING", .number)],
        "port": [
            4: ("IFLA_BRPORT_MODE", .number), 8: ("IFLA_BRPORT_LEARNING", .number),
            32: ("IFLA_BRPORT_NEIGH_SUPPRESS", .number), 33: ("IFLA_BRPORT_ISOLATED", .number),
        ],
        "families": [2: ("IFLA_BRIDGE_VLAN_INFO", .vlan), 10: ("AF_INET6", .nest("inet6"))],
        "inet6": [8: ("IFLA_INET6_ADDR_GEN_MODE", .number)],
        "address": [
            1: ("IFA_ADDRESS", .bytes), 2: ("IFA_LOCAL", .bytes), 4: ("IFA_BROADCAST", .bytes),
            8: ("IFA_FLAGS", .number),
        ],
        "route": [
            1: ("RTA_DST", .bytes), 4: ("RTA_OIF", .number), 5: ("RTA_GATEWAY", .bytes), 6: ("RTA_PRIORITY", .number),
            7: ("RTA_PREFSRC", .bytes), 8: ("RTA_METRICS", .nest("metrics")), 15: ("RTA_TABLE", .number),
        ],
        "metrics": [2: ("RTAX_MTU", .number), 8: ("RTAX_ADVMSS", .number)],
        "neighbour": [
            1: ("NDA_DST", .bytes), 2: ("NDA_LLADDR", .bytes), 8: ("NDA_IFINDEX", .number),
            12: ("NDA_PROTOCOL", .number),
        ],
        "flow": [
            1: ("CTA_TUPLE_ORIG", .nest("tuple")), 2: ("CTA_TUPLE_REPLY", .nest("tuple")), 3: ("CTA_STATUS", .mask),
            12: ("CTA_ID", .bytes), 18: ("CTA_ZONE", .bytes), 25: ("CTA_FILTER", .nest("filter")),
            26: ("CTA_STATUS_MASK", .mask),
        ],
        "filter": [1: ("CTA_FILTER_ORIG_FLAGS", .number), 2: ("CTA_FILTER_REPLY_FLAGS", .number)],
        "tuple": [1: ("CTA_TUPLE_IP", .nest("ends")), 2: ("CTA_TUPLE_PROTO", .nest("transport"))],
        "ends": [
            1: ("CTA_IP_V4_SRC", .bytes), 2: ("CTA_IP_V4_DST", .bytes), 3: ("CTA_IP_V6_SRC", .bytes),
            4: ("CTA_IP_V6_DST", .bytes),
        ],
        "transport": [
            1: ("CTA_PROTO_NUM", .number), 2: ("CTA_PROTO_SRC_PORT", .port), 3: ("CTA_PROTO_DST_PORT", .port),
        ],
    ]

    private static let types: [Int: (String, String)] = [
        16: ("RTM_NEWLINK", "link"), 17: ("RTM_DELLINK", "link"), 19: ("RTM_SETLINK", "link"),
        20: ("RTM_NEWADDR", "address"), 21: ("RTM_DELADDR", "address"), 24: ("RTM_NEWROUTE", "route"),
        25: ("RTM_DELROUTE", "route"), 28: ("RTM_NEWNEIGH", "neighbour"), 29: ("RTM_DELNEIGH", "neighbour"),
        0x101: ("IPCTNL_MSG_CT_GET", "flow"), 0x102: ("IPCTNL_MSG_CT_DELETE", "flow"),
        0x105: ("IPCTNL_MSG_CT_GET_STATS", "flow"),
    ]

    private let bytes: [UInt8]
    private var place = 0
    private var lines: [String] = []
    private var kind = ""

    /// The text of all messages of a batch.
    static func text(of batch: borrowing MessageBatch) -> String { text(of: [UInt8](batch.bytes)) }

    /// The text of messages as they are sent.
    static func text(of bytes: [UInt8]) -> String {
        var text = MessageText(bytes: bytes)
        while text.place < bytes.count { text.message() }
        return text.lines.joined(separator: "\n") + "\n"
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private func number(at offset: Int, size: Int) -> Int {
        (0..<size).reduce(0) { $0 | Int(offset + $1 < bytes.count ? bytes[offset + $1] : 0) << ($1 * 8) }
    }

    /// Takes the next four bytes and says what they are.
    private mutating func line(_ meaning: String) {
        let part = bytes[place..<min(place + 4, bytes.count)]
        let digits = part.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
        lines.append("\(digits)  \(meaning)")
        place += 4
    }

    private mutating func message() {
        if !lines.isEmpty { lines.append("") }
        let end = place + number(at: place, size: 4)
        let (name, family) = Self.types[number(at: place + 4, size: 2)] ?? ("unknown type", "unknown")
        line("length \(end - place)")
        line("\(name), flags \(flags(number(at: place + 2, size: 2), name))")
        line("sequence")
        line("port")
        switch family {
        case "link": linkHeader("")
        case "address":
            line("family, prefix length \(bytes[place + 1]), flags, scope")
            line("interface")
        case "route":
            line("family, destination length \(bytes[place + 1]), source length, TOS")
            let part = bytes[place..<place + 4].map { "\($0)" }
            line("table \(part[0]), protocol \(part[1]), scope \(part[2]), type \(part[3])")
            line("flags \(number(at: place, size: 4))")
        case "flow": line("family, version, resource")
        default:
            line("family \(bytes[place])")
            line("interface")
            line("state \(number(at: place, size: 2)), flags \(bytes[place + 2]), type \(bytes[place + 3])")
        }
        attributes(until: end, in: family, depth: 0)
        place = (end + 3) & ~3
    }

    private func flags(_ bits: Int, _ type: String) -> String {
        if type.hasSuffix("_GET"), bits == 0x301 { return "REQUEST DUMP" }
        let names = [0x1: "REQUEST", 0x4: "ACK", 0x100: "REPLACE", 0x200: "EXCL", 0x400: "CREATE", 0x800: "APPEND"]
        return names.keys.sorted().filter { bits & $0 != 0 }.compactMap { names[$0] }.joined(separator: " ")
    }

    private mutating func linkHeader(_ indent: String) {
        line("\(indent)family \(bytes[place]), type")
        line("\(indent)interface")
        line("\(indent)flags")
        line("\(indent)change")
    }

    private mutating func attributes(until end: Int, in context: String, depth: Int) {
        let indent = String(repeating: "  ", count: depth)
        while place + 4 <= end {
            let (start, length, type) = (place, number(at: place, size: 2), number(at: place + 2, size: 2))
            let (name, value) = Self.attributes[context]?[type & 0x3fff] ?? ("unknown attribute \(type)", .bytes)
            line("\(indent)\(name), \(length) bytes\(type & 0x8000 == 0 ? "" : ", nested")")
            guard length >= 4 else { return }
            if case .nest(let inner) = value {
                if inner == "peer" { linkHeader(indent + "  ") }
                let next = inner == "data" ? kind : inner == "peer" ? "link" : inner
                attributes(until: start + length, in: next, depth: depth + 1)
            } else {
                self.value(value, until: start + length, of: name, indent)
            }
            place = start + (length + 3) & ~3
        }
    }

    private mutating func value(_ value: Value, until end: Int, of name: String, _ indent: String) {
        func text(until end: Int) -> String {
            String(decoding: bytes[place..<end].prefix { $0 != 0 }, as: UTF8.self)
        }
        if name == "IFLA_INFO_KIND" { kind = text(until: end) }
        while place < end {
            switch value {
            case .text: line("\(indent)  \"\(text(until: min(place + 4, end)))\"")
            case .number: line("\(indent)  \(number(at: place, size: end - place))")
            case .vlan: line("\(indent)  flags \(number(at: place, size: 2)), VLAN \(number(at: place + 2, size: 2))")
            case .port: line("\(indent)  port \(Int(bytes[place]) << 8 | Int(bytes[place + 1]))")
            case .mask: line("\(indent)  \(bytes[place..<place + 4].reduce(0) { $0 << 8 | Int($1) })")
            default: line("\(indent)  …")
            }
        }
    }
}
