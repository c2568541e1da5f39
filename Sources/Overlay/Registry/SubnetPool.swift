// SPDX-License-Identifier: Apache-2.0

import Addressing
import JSON

/// The subnets of one length that hosts can have.
public struct SubnetPool: Equatable, Sendable {
    /// The network of all hosts.
    public let network: Prefix
    /// The length of a host's subnet.
    public let length: Int
    private let first: UInt128
    private let last: UInt128

    /// Reads the part of Flannel's configuration that is about one family; the prefix of its keys is "" or "IPv6".
    init?(_ node: ConfigNode, _ start: String, defaultLength: Int) throws(ConfigError) {
        guard let text = try node.string("\(start)Network") else { return nil }
        guard let network = Prefix(text)?.masked, (network.address.family == .v6) == !start.isEmpty else {
            if IPAddress(text) != nil {
                throw node.fails(
                    "\(start)Network: \"\(text)\" lacks its length, such as \(text)/\(start.isEmpty ? 16 : 48)"
                )
            }
            throw node.fails("\(start)Network: \"\(text)\" is not a network of its family")
        }
        self.network = network
        // As Flannel has it: four subnets of four addresses each, for the first one is not given out.
        guard network.length <= network.hostLength - 4 else {
            throw node.fails(
                "\(start)Network: \(text) has no room for hosts; /\(network.hostLength - 4) is the smallest"
            )
        }
        let longest = Int64(network.hostLength - 2)
        // 0 leaves it to us, as if it were not there.
        if let given = try node.integer("\(start)SubnetLen", in: 0...longest), given != 0 {
            guard given > network.length else {
                throw node.fails(
                    "\(start)SubnetLen: must be between \(network.length + 1) and \(longest), not \(given)"
                )
            }
            length = Int(given)
        } else {
            // A host's subnet is at least a quarter of a small network.
            length = max(defaultLength, network.length + 2)
        }
        let step = UInt128(1) << UInt128(network.hostLength - length)
        func bound(_ key: String, _ natural: UInt128) throws(ConfigError) -> UInt128 {
            guard let text = try node.string(key), !text.isEmpty else { return natural }
            guard let address = IPAddress(text), network.contains(address), address.bits % step == 0 else {
                throw node.fails("\(key): \"\(text)\" is not the first address of a subnet of \(network.description)")
            }
            return address.bits
        }
        first = try bound("\(start)SubnetMin", network.network.bits + step)
        last = try bound("\(start)SubnetMax", network.last.bits - (step - 1))
        if first > last { throw node.fails("\(start)SubnetMin is above \(start)SubnetMax") }
    }

    /// Whether a host may have a subnet.
    public func contains(_ subnet: Prefix) -> Bool {
        subnet.length == length && network.contains(subnet) && (first...last).contains(subnet.network.bits)
    }

    /// A subnet that overlaps none of those in use, drawn at random so that hosts that come together seldom meet.
    public func choose(besides used: [Prefix], _ entropy: UInt64) -> Prefix? {
        let shift = UInt128(network.hostLength - length)
        let count = (last - first) >> shift + 1
        var taken: Set<UInt128> = []
        var others: [Prefix] = []
        for prefix in used where prefix.overlaps(network) {
            if prefix.length == length { taken.insert(prefix.network.bits) } else { others.append(prefix) }
        }
        var place = UInt128(entropy) % count
        // Of so many in a row one is free, unless some are of other lengths.
        for _ in 0..<min(count, UInt128(taken.count) + 1_000_000) {
            let bits = first + place << shift
            place = (place + 1) % count
            guard !taken.contains(bits),
                let subnet = Prefix(address: IPAddress(family: network.address.family, bits: bits), length: length),
                !others.contains(where: { $0.overlaps(subnet) })
            else {
                continue
            }
            return subnet
        }
        return nil
    }
}
