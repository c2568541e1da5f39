// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLibMNL

/// Where frames for a hardware address go: an entry of a forwarding table, bridge-fdb(8).
public struct ForwardingEntry: Hashable, Sendable {
    /// Whose table it is.
    public enum Table: Sendable {
        /// That of the interface itself, such as a VXLAN device, which sends frames to other hosts.
        case interface
        /// That of the bridge of which the interface is a port.
        case bridge
    }

    /// The hardware address; zero stands for all that no other entry knows.
    public var mac: MACAddress
    /// The host behind which the address is, in the table of a VXLAN device.
    public var destination: IPAddress?
    /// The UDP port and the number of the tunnel by which the host is reached, if they are not the device's.
    public var (port, identifier) = (UInt16?.none, UInt32?.none)
    /// The number of the interface.
    public var interface: UInt32
    /// Whose table it is.
    public var table: Table
    /// Whether it was set and not learnt.
    public var isPermanent = true

    /// Makes an entry of a VXLAN device.
    public init(_ mac: MACAddress, behind destination: IPAddress, on interface: UInt32) {
        (self.mac, self.destination, self.interface, table) = (mac, destination, interface, .interface)
    }

    /// Makes an entry of the bridge to which a port belongs.
    public init(_ mac: MACAddress, port interface: UInt32) {
        (self.mac, destination, self.interface, table) = (mac, nil, interface, .bridge)
    }

    /// Reads a message RTM_NEWNEIGH of the bridge's family; nothing if it is another.
    public init?(_ message: Message) {
        let payload = message.payload
        let attributes = message.attributes(after: MemoryLayout<ndmsg>.size)
        guard message.type == UInt16(RTM_NEWNEIGH), payload.first == UInt8(AF_BRIDGE),
            let interface = payload.integer(UInt32.self, at: 4), let state = payload.integer(UInt16.self, at: 8),
            let flags = payload.dropFirst(10).first, let mac = attributes.first(Int(NDA_LLADDR))?.mac
        else {
            return nil
        }
        self.mac = mac
        self.interface = interface
        destination = attributes.first(Int(NDA_DST))?.address
        port = attributes.first(Int(NDA_PORT))?.value.integer(UInt16.self, at: 0)?.byteSwapped
        identifier = attributes.first(Int(NDA_VNI))?.uint32
        table = flags & UInt8(NTF_SELF) != 0 ? .interface : .bridge
        // A bridge says NUD_NOARP of what was set by hand and does not belong to the host.
        let isLearnt = flags & UInt8(NTF_EXT_LEARNED) != 0
        isPermanent = state & UInt16(NUD_PERMANENT | NUD_NOARP) != 0 && !isLearnt
    }

    /// Whether frames go to another port or into another tunnel than the device's.
    public var leadsElsewhere: Bool { port != nil || identifier != nil }

    /// Whether it is for all that no other entry knows, of which there may be several.
    public var isForUnknown: Bool { mac.isZero }
}

extension MessageBatch {
    /// Adds an entry: bridge fdb replace; one for what is unknown joins the others, as bridge fdb append does.
    public mutating func setForwarding(_ entry: ForwardingEntry) {
        let flags = NLM_F_CREATE | (entry.isForUnknown ? NLM_F_APPEND : NLM_F_REPLACE)
        begin("set the forwarding of \(entry.description)", RTM_NEWNEIGH, flags, Self.header(entry))
        put(entry)
    }

    /// Adds the removal of an entry: bridge fdb delete.
    ///
    /// `ifExists` tells whether it is no error that there is none.
    public mutating func deleteForwarding(_ entry: ForwardingEntry, ifExists: Bool = false) {
        begin("delete the forwarding of \(entry.description)", RTM_DELNEIGH, 0, Self.header(entry))
        put(entry)
        if ifExists { forgive(ENOENT) }
    }

    private mutating func put(_ entry: ForwardingEntry) {
        put(Int(NDA_LLADDR), entry.mac.bytes)
        if let destination = entry.destination { put(Int(NDA_DST), destination.bytes) }
        if let port = entry.port { put(Int(NDA_PORT), port.byteSwapped) }
        if let identifier = entry.identifier { put(Int(NDA_VNI), identifier) }
    }

    private static func header(_ entry: ForwardingEntry) -> ndmsg {
        var header = ndmsg()
        header.ndm_family = UInt8(AF_BRIDGE)
        header.ndm_ifindex = Int32(bitPattern: entry.interface)
        switch entry.table {
        case .interface:
            header.ndm_state = UInt16(NUD_PERMANENT)
            header.ndm_flags = UInt8(NTF_SELF)
        case .bridge:
            // Permanent would mean that the address is the host's own.
            header.ndm_state = UInt16(NUD_NOARP)
            header.ndm_flags = UInt8(NTF_MASTER)
        }
        return header
    }
}

extension ForwardingEntry {
    /// What is forwarded and whereto, for errors and traces.
    public var description: String {
        let whither = destination.map { " to \($0.description)" } ?? ""
        return (isForUnknown ? "unknown addresses" : mac.description) + whither
    }
}
