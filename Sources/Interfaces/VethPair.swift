// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Linux
import Netlink

/// The pair of interfaces between the host and a container, made by one message and named after the attachment.
public struct VethPair: Sendable {
    let attachment: Attachment
    /// The hardware address of the container's end.
    public var containerMAC: MACAddress
    /// The name of the host's end.
    public let hostName: String
    private let hostMAC: MACAddress
    private let mtu: UInt32?

    /// Plans a pair; the addresses are drawn here, because those that the kernel draws are changed by udev later.
    public init(_ attachment: Attachment, mac: MACAddress?, mtu: UInt32?) throws(CNIError) {
        self.attachment = attachment
        self.mtu = mtu
        hostName = attachment.hostInterface
        hostMAC = try Self.draw()
        if let mac { containerMAC = mac } else { containerMAC = try Self.draw() }
    }

    /// Draws a hardware address that belongs to no maker.
    public static func draw() throws(CNIError) -> MACAddress {
        .locallyAdministered(
            try CNIError.attempt("draw a hardware address") { () throws(Errno) in try Clock.entropy() }
        )
    }

    /// Makes the pair, with the host's end as a port of the master, and switches that end on.
    public func create(
        _ host: inout Kernel,
        in namespace: borrowing NetworkNamespace,
        master: UInt32?
    ) throws(CNIError) {
        let peer = VethPeer(name: attachment.interface, mac: containerMAC, mtu: mtu, namespace: namespace.rawValue)
        var batch = MessageBatch()
        batch.addLink(
            NewLink(
                name: hostName,
                kind: .veth(peer: peer),
                mac: hostMAC,
                mtu: mtu,
                master: master
            )
        )
        // The host's end only passes frames on, and its chatter would reach every other port.
        batch.withholdLinkLocalAddress(hostName)
        var change = LinkChange.up
        change.alias = attachment.alias
        batch.setLink(hostName, change)
        try host.send(batch)
    }

    /// Refuses to go on if the host has the attachment's interface already.
    public func refuseExisting(_ host: inout Kernel) throws(CNIError) {
        guard let link = try host.link(named: hostName) else { return }
        throw CNIError(
            .interfaceExists,
            "interface \(link.name) already exists on the host",
            "it belongs to an earlier ADD of this attachment (\(link.alias)) that no DEL has ended; send DEL first"
        )
    }
}
