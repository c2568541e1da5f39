// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import Linux
import NFTables
import Netlink
import Rules

/// Connects a container to a bridge on the host with a veth pair.
///
/// The host's end is named after the attachment, so DEL and GC find it from the request alone. The bridge, its addresses
/// and forwarding are shared: they stay, and a failed ADD takes back only what nobody else has come to use.
struct Bridge: Plugin {
    static let name = "bridge"

    func add(_ request: Request<BridgeConfiguration>, undo: inout UndoStack) throws(CNIError) -> AddResult {
        let (configuration, attachment) = (request.configuration, request.attachment)
        let pair = try VethPair(attachment, mac: try configuration.requestedMAC(request), mtu: configuration.mtu)
        let netns = try request.openNamespace()
        try request.awaitOtherADDs(in: netns, undo: &undo)
        var inside = try ContainerInterface.open(attachment, in: netns)
        var host = try Kernel.open()
        try pair.refuseExisting(&host)

        // Another process, which finds the addresses while this one makes the links.
        let ipam = try request.ipam()
        var leasing = try ipam?.startAdd()
        if let ipam { try undo.push("release the addresses") { () throws(CNIError) in try ipam.delete() } }

        let device = BridgeDevice(configuration.settings, ownPort: pair.hostName)
        let bridge = try device.attach(pair, in: netns, &host, undo: &undo)
        // Before the container's end goes up, so that no frame escapes.
        if configuration.macspoofchk { try SpoofCheck(attachment).add(pair.containerMAC, undo: &undo) }

        if !configuration.disableContainerInterface {
            try inside.prepare(in: netns, detectsDuplicates: configuration.enabledad)
        }
        var result = AddResult()
        if var running = leasing.take(), let ipam { result = device.completing(try ipam.finishAdd(&running)) }
        if !configuration.disableContainerInterface { try inside.configure(result, in: netns) }
        let gateway = try device.addGateways(for: result, on: bridge, &host, undo: &undo)
        if let backend = configuration.masquerade, !result.ips.isEmpty {
            try Masquerade(attachment).add(result.ips.map { $0.address }, backend, undo: &undo)
        }
        let port = try device.waitForPort(
            pair.hostName,
            isUsed: !configuration.disableContainerInterface,
            &host
        )
        if !result.ips.isEmpty { try inside.announce(pair.containerMAC) }

        result.interfaces = try device.interfaces(bridge, port, pair, sandbox: request.netns, &host)
        if let gateway { result.interfaces.append(Interface(gateway)) }
        if !configuration.dns.isEmpty { result.dns = configuration.dns }
        return result
    }

    func delete(_ request: Request<BridgeConfiguration>) throws(CNIError) {
        var effort = BestEffort()
        // Asked of the packet filter and not of the configuration, which may have changed since ADD.
        effort.attempt { () throws(CNIError) in try SpoofCheck(request.attachment).remove() }
        effort.attempt { () throws(CNIError) in try Masquerade(request.attachment).remove() }
        var ipam: IPAM?
        effort.attempt { () throws(CNIError) in ipam = try request.ipam() }
        if let ipam, ipam.needsLinkToRelease { effort.attempt { () throws(CNIError) in try ipam.delete() } }
        effort.attempt { () throws(CNIError) in try detach(request) }
        if let ipam, !ipam.needsLinkToRelease { effort.attempt { () throws(CNIError) in try ipam.delete() } }
        try effort.finish()
    }

    func check(_ request: Request<BridgeConfiguration>) throws(CNIError) {
        try request.ipam()?.check()
        let result = try request.requiredPreviousResult()
        let expected = try request.containerInterface(in: result)
        let netns = try request.openNamespace()
        var container = try ContainerCheck(expected, in: netns)
        let link = try container.link(kind: "veth")
        try container.addressesAndRoutes(result, on: link)
        var host = try Kernel.open()
        try BridgeDevice(request.configuration.settings, ownPort: request.attachment.hostInterface).check(
            port: link.peer,
            result,
            &host
        )
        if request.configuration.macspoofchk, let mac = link.mac { try SpoofCheck(request.attachment).verify(mac) }
        if let backend = request.configuration.masquerade {
            try Masquerade(request.attachment).verify(result.addresses(of: request.attachment), backend)
        }
    }

    func collect(_ request: Request<BridgeConfiguration>, keeping valid: ValidAttachments) throws(CNIError) {
        var effort = BestEffort()
        let network = request.attachment.network
        effort.attempt { () throws(CNIError) in try SpoofCheck.collect(network, keeping: valid) }
        effort.attempt { () throws(CNIError) in try Masquerade.collect(network, keeping: valid) }
        effort.attempt { () throws(CNIError) in
            var host = try Kernel.open()
            try host.deleteHostInterfaces(of: network, keeping: valid)
        }
        effort.attempt { () throws(CNIError) in try request.ipam()?.collect() }
        try effort.finish()
    }

    func status(_ request: Request<BridgeConfiguration>) throws(CNIError) {
        try request.ipam()?.status()
        var host = try Kernel.open()
        _ = try BridgeDevice.find(request.configuration.bridge, &host)
        if request.configuration.macspoofchk { try SpoofCheck.probe() }
        if let backend = request.configuration.masquerade { try Masquerade.probe(backend) }
    }
}
