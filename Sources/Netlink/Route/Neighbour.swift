// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLibMNL

/// The hardware address behind an address on a link: ip-neighbour(8).
public struct Neighbour: Hashable, Sendable {
    /// The address that is looked up.
    public var address: IPAddress
    /// What it resolves to.
    public var mac: MACAddress
    /// The number of the interface.
    public var interface: UInt32
    /// Who made it: the number of a routing protocol, or 0.
    public var origin: UInt8 = 0
    /// Whether it was set and not found out by asking.
    public var isPermanent = true

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
            let state = message.payload.integer(UInt16.self, at: 8),
            let address = attributes.first(Int(NDA_DST))?.address, let mac = attributes.first(Int(NDA_LLADDR))?.mac
        else {
            return nil
        }
        self.init(address, mac: mac, interface: interface)
        origin = attributes.first(Int(NDA_PROTOCOL))?.uint8 ?? 0
        isPermanent = state & UInt16(NUD_PERMANENT) != 0
    }
}

extension MessageBatch {
    /// Adds a permanent entry, replacing what was known: ip neighbour replace.
    public mutating func replaceNeighbour(_ neighbour: Neighbour) {
        let flags = NLM_F_CREATE | NLM_F_REPLACE
        begin("set the neighbour \(neighbour.address.description)", RTM_NEWNEIGH, flags, Self.header(neighbour))
        put(Int(NDA_DST), neighbour.address.bytes)
        put(Int(NDA_LLADDR), neighbour.mac.bytes)
        if neighbour.origin != 0 { put(Int(NDA_PROTOCOL), neighbour.origin) }
    }

    /// Adds the removal of an entry: ip neighbour delete.
    ///
    /// `ifExists` tells whether it is no error that there is none.
    public mutating func deleteNeighbour(_ neighbour: Neighbour, ifExists: Bool = false) {
        begin("delete the neighbour \(neighbour.address.description)", RTM_DELNEIGH, 0, Self.header(neighbour))
        put(Int(NDA_DST), neighbour.address.bytes)
        if ifExists { forgive(ENOENT) }
    }

    private static func header(_ neighbour: Neighbour) -> ndmsg {
        var header = ndmsg()
        header.ndm_family = neighbour.address.family.kernelValue
        header.ndm_ifindex = Int32(bitPattern: neighbour.interface)
        header.ndm_state = UInt16(NUD_PERMANENT)
        return header
    }
}
