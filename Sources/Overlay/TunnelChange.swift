// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import Netlink

/// One thing that is not as it is to be.
enum TunnelChange {
    /// A setting of the device; the text says what is wrong with it.
    case link(LinkChange, String)
    /// What only a VXLAN device has.
    case settings(VXLANSettings)
    /// What the bridge does with the device as its port.
    case port(learns: Bool, suppresses: Bool, wasDisabled: Bool)
    /// Who computes the checksums of what is sent.
    case checksum(Bool)
    /// IPv6 is switched off on the device.
    case allowIPv6
    /// An entry that is missing, or another one in its place.
    case set(TunnelEntry, replaces: Bool)
    /// An entry that leads to nobody any more.
    case delete(TunnelEntry)

    /// What CHECK says of it.
    var complaint: String {
        switch self {
        case .link(_, let text): text
        case .settings: "its local address, its underlay or its learning is not as it was"
        case .port: "its settings as a port of the bridge are not as they were"
        case .checksum(let isOn): "the offload of checksums is " + (isOn ? "off" : "on")
        case .allowIPv6: "IPv6 is switched off"
        case .set(let entry, let replaces): entry.description + (replaces ? " is another one" : " is missing")
        case .delete(let entry): entry.description + " leads to nobody any more"
        }
    }

    /// Adds the message for it, if a message is what it takes.
    @inline(never)
    func add(to batch: inout MessageBatch, _ link: Link) {
        switch self {
        case .link(let change, _): batch.setLink(link.name, change)
        case .settings(let settings): batch.setVXLAN(link.name, settings)
        case .port(let learns, let suppresses, let wasDisabled):
            batch.setPort(
                link.name,
                index: link.index,
                hairpin: false,
                learns: learns,
                suppressesNeighbours: suppresses,
                forwards: wasDisabled
            )
        case .checksum, .allowIPv6: break
        case .set(let entry, let replaces): entry.set(&batch, on: link.index, replaces: replaces)
        case .delete(let entry): entry.delete(&batch, from: link.index)
        }
    }
}
