// SPDX-License-Identifier: Apache-2.0

import Addressing
import JSON
import Netlink

/// A setting of the container's interface, with its value.
enum LinkProperty: Equatable {
    case mac(MACAddress)
    case promiscuous(Bool)
    case mtu(UInt32)
    case allMulticast(Bool)
    case queueLength(UInt32)

    /// The key in the configuration, and in the file that keeps the value from before.
    var key: String {
        switch self {
        case .mac: "mac"
        case .promiscuous: "promisc"
        case .mtu: "mtu"
        case .allMulticast: "allmulti"
        case .queueLength: "txQLen"
        }
    }

    /// The same setting with the value that an interface has; nothing if the interface has none.
    func current(of link: Link) -> LinkProperty? {
        switch self {
        case .mac: link.mac.map { .mac($0) }
        case .promiscuous: .promiscuous(link.isPromiscuous)
        case .mtu: .mtu(link.mtu)
        case .allMulticast: .allMulticast(link.receivesAllMulticast)
        case .queueLength: .queueLength(link.queueLength)
        }
    }

    /// The change that gives an interface the value.
    var change: LinkChange {
        var change = LinkChange()
        switch self {
        case .mac(let address): change.mac = address
        case .promiscuous(let isOn): change.isPromiscuous = isOn
        case .mtu(let bytes): change.mtu = bytes
        case .allMulticast(let isOn): change.receivesAllMulticast = isOn
        case .queueLength(let packets): change.queueLength = packets
        }
        return change
    }

    /// The value as it is written into a file.
    var json: JSON {
        switch self {
        case .mac(let address): .string(address.description)
        case .promiscuous(let isOn), .allMulticast(let isOn): .bool(isOn)
        case .mtu(let number), .queueLength(let number): .int(Int(number))
        }
    }

    /// The value in words.
    var value: String {
        switch self {
        case .mac(let address): address.description
        case .promiscuous(let isOn), .allMulticast(let isOn): isOn ? "true" : "false"
        case .mtu(let number), .queueLength(let number): "\(number)"
        }
    }

    /// What CHECK says of an interface that has another value, in the words of the reference.
    func drift(of interface: String, from current: LinkProperty?) -> String {
        let values = "\(value), current value is \(current?.value ?? "none")"
        return switch self {
        case .mac: "Error: Tuning configured Ethernet of \(interface) is \(values)"
        case .promiscuous: "Error: Tuning link \(interface) configured promisc is \(values)"
        case .mtu: "Error: Tuning configured MTU of \(interface) is \(values)"
        case .allMulticast: "Error: Tuning configured all-multicast mode of \(interface) is \(values)"
        case .queueLength: "Error: Tuning configured Transmit Queue Length of \(interface) is \(values)"
        }
    }
}

extension [LinkProperty] {
    /// Reads what is set of all but the hardware address; a value of 0 leaves the MTU alone.
    static func read(_ node: ConfigNode) throws(ConfigError) -> [LinkProperty] {
        var properties: [LinkProperty] = []
        if let isOn = try node.bool("promisc") { properties.append(.promiscuous(isOn)) }
        if let mtu = try node.integer("mtu", in: 0...Int64(Int32.max)) { properties.append(.mtu(UInt32(mtu))) }
        if let isOn = try node.bool("allmulti") { properties.append(.allMulticast(isOn)) }
        if let length = try node.integer("txQLen", in: 0...Int64(Int32.max)) {
            properties.append(.queueLength(UInt32(length)))
        }
        return properties
    }

    /// These with those added whose keys are not among them.
    func filled(from others: [LinkProperty]) -> [LinkProperty] {
        self + others.filter { other in !contains { $0.key == other.key } }
    }
}
