// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLibMNL

/// The hardware address behind an address on a link: ip-neighbour(8).
public struct Neighbour: Equatable, Sendable {
    /// The address that is looked up.
    public var address: IPAddress
    /// What it resolves to.
    public var mac: MACAddress
    /// The number of the interface.
    public var interface: UInt32

    /// Makes an entry.
    public init(_ address: IPAddress, mac: MACAddress, interface: UInt32) {
        self.address = address
        self.mac = mac
        self.interface = interface
    }

    /// Reads a message RTM_NEWNEIGH; nothing if it is another, or an entry that is not resolved.
    public init?(_ message: Message) {
        let attributes = message.attributes(after: MemoryLayout<ndmsg>.size)
        guard message.type == UInt16(RTM_NEWNEIGH), let interface = message.payload.integer(UInt32.self, at: 4),
            let address = attributes.first(Int(NDA_DST)).flatMap({ IPAddress(bytes: Array($0.value)) }),
            let mac = attributes.first(Int(NDA_LLADDR)).flatMap({ MACAddress(bytes: Array($0.value)) })
        else {
            return nil
        }
        self.init(address, mac: mac, interface: interface)
    }
}

extension MessageBatch {
    /// Adds a permanent entry, replacing what was known: ip neighbour replace.
    public mutating func replaceNeighbour(_ neighbour: Neighbour) {
        let flags = NLM_F_CREATE | NLM_F_REPLACE
        begin("set the neighbour \(neighbour.address.description)", RTM_NEWNEIGH, flags, Self.header(neighbour))
        put(Int(NDA_DST), neighbour.address.bytes)
        put(Int(NDA_LLADDR), neighbour.mac.bytes)
    }

    /// Adds the removal of an entry: ip neighbour delete.
    public mutating func deleteNeighbour(_ neighbour: Neighbour) {
        begin("delete the neighbour \(neighbour.address.description)", RTM_DELNEIGH, 0, Self.header(neighbour))
        put(Int(NDA_DST), neighbour.address.bytes)
    }

    private static func header(_ neighbour: Neighbour) -> ndmsg {
        var header = ndmsg()
        header.ndm_family = neighbour.address.family.kernelValue
        header.ndm_ifindex = Int32(bitPattern: neighbour.interface)
        header.ndm_state = UInt16(NUD_PERMANENT)
        return header
    }
}
