// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Linux
import Netlink

extension BridgeDevice {
    /// Sets what the bridge does with the host's end of a pair: hairpin, isolation, VLANs.
    func configurePort(_ veth: String, _ host: inout Kernel) throws(CNIError) {
        // Routers are for the bridge to listen to, if for anybody.
        try Sysctl.set("net/ipv6/conf/\(veth)/accept_ra", "0")
        guard settings.hairpinMode || settings.portIsolation || settings.needsVLANFiltering else {
            return
        }
        guard let port = try host.link(named: veth) else {
            throw CNIError(.kernel, "the interface \(veth) vanished while it was being set up", "try again")
        }
        var batch = MessageBatch()
        if settings.hairpinMode || settings.portIsolation {
            batch.setPort(
                veth,
                index: port.index,
                hairpin: settings.hairpinMode,
                isolated: settings.portIsolation ? true : nil
            )
        }
        addVLANs(to: port, &batch)
        try host.send(batch)
    }

    /// Waits until the port passes frames, so that the container's first packet is not lost.
    ///
    /// The kernel notices the carrier in a work queue, usually before it is asked; then nothing is waited for.
    public func waitForPort(_ veth: String, isUsed: Bool, _ host: inout Kernel) throws(CNIError) -> Link {
        let limit: Int64 = isUsed ? 10_000 : 0
        let link = try host.link(named: veth, withinMilliseconds: limit) { link in
            link.isOperational && link.port?.isForwarding ?? false
        }
        guard let port = link else {
            throw CNIError(.kernel, "the interface \(veth) has gone from the host", "somebody else removed it")
        }
        guard port.isOperational || !isUsed else {
            throw CNIError(
                .tryAgain,
                "bridge port in error state: down",
                "\(veth) on \(name) did not come up within 10 s"
            )
        }
        return port
    }

    /// The interfaces of a result: the bridge, its port, and the container's end of the pair.
    public func interfaces(
        _ bridge: Link,
        _ port: Link,
        _ pair: VethPair,
        sandbox: String,
        _ host: inout Kernel
    ) throws(CNIError) -> [Interface] {
        [
            // With its first port a bridge may change.
            Interface(try host.link(named: name) ?? bridge),
            Interface(port),
            Interface(
                name: pair.attachment.interface,
                mac: pair.containerMAC.description,
                sandbox: sandbox,
                mtu: port.mtu
            ),
        ]
    }

    /// Finds the bridge of a name for STATUS; nothing if it is still to be made.
    public static func find(_ name: String, _ host: inout Kernel) throws(CNIError) -> Link? {
        let link = try host.link(named: name)
        guard let link, link.kind != "bridge" else { return link }
        throw CNIError(
            .notReady,
            "\"\(name)\" already exists but is not a bridge",
            "it is a \"\(link.kind)\" interface"
        )
    }

    /// Compares the bridge and the port with what ADD made.
    public func check(port index: UInt32?, _ result: AddResult, _ host: inout Kernel) throws(CNIError) {
        guard let bridge = try host.link(named: name) else { throw CNIError.drifted("the bridge \(name) is gone") }
        guard bridge.kind == "bridge" else { throw CNIError.drifted("\(name) is not a bridge any more") }
        guard bridge.isUp else { throw CNIError.drifted("the bridge \(name) is down") }
        if let expected = result.interfaces.first(where: { $0.name == name && $0.sandbox.isEmpty }),
            !expected.mac.isEmpty,
            MACAddress(expected.mac) != bridge.mac
        {
            throw CNIError.drifted(
                "Bridge interface \(name) Mac doesn't match: \(bridge.mac?.description ?? "none"), not \(expected.mac)"
            )
        }
        if settings.promiscMode && bridge.promiscuity == 0 {
            throw CNIError.drifted("the bridge \(name) is not promiscuous")
        }
        guard let index, let port = try host.link(index: index), port.master == bridge.index else {
            throw CNIError.drifted("CNI veth created for bridge \(name) was not found")
        }
        guard port.isUp else { throw CNIError.drifted("the host's interface \(port.name) is down") }
        if settings.hairpinMode && port.port?.hairpin != true {
            throw CNIError.drifted("hairpin mode is off on \(port.name)")
        }
        if settings.portIsolation && port.port?.isolated != true {
            throw CNIError.drifted("\(port.name) is not isolated")
        }
        try checkGateways(result, bridge, &host)
    }

    private func checkGateways(_ result: AddResult, _ bridge: Link, _ host: inout Kernel) throws(CNIError) {
        guard settings.isGateway else { return }
        let device = settings.vlan == 0 ? bridge : try host.link(named: "\(name).\(settings.vlan)") ?? bridge
        let present = try host.addresses(of: device.index).map { $0.prefix.address }
        for gateway in result.ips.compactMap({ $0.gateway }) where !present.contains(gateway) {
            throw CNIError.drifted("the gateway \(gateway.description) is not an address of \(name) any more")
        }
    }
}
