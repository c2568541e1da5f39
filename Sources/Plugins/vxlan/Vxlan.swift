// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import JSON
import Linux
import Netlink
import Overlay
import Rules

/// Connects a container to a bridge on the host, and the hosts of the network with each other by a VXLAN tunnel.
///
/// The tunnel and what leads through it are the host's and not the attachment's: they follow from the configuration, and
/// each ADD only corrects what differs. So an attachment costs the same however many hosts and containers there are.
struct Vxlan: Plugin {
    static let name = "vxlan"

    func add(_ request: Request<VxlanConfiguration>, undo: inout UndoStack) throws(CNIError) -> AddResult {
        let (configuration, attachment) = (request.configuration, request.attachment)
        var host = try Kernel.open()
        var network = try VxlanNetwork(configuration, attachment.network, &host)
        let mac = try configuration.requestedMAC(request)
        var pair = try VethPair(attachment, mac: mac, mtu: network.mtu)
        let netns = try request.openNamespace()
        try request.awaitOtherADDs(in: netns, undo: &undo)
        var inside = try ContainerInterface.open(attachment, in: netns)
        try pair.refuseExisting(&host)

        // Another process, which finds the addresses while this one makes the links.
        let ipam = try request.ipam(configuration.ipam(request.document, network.subnets, of: network.networks))
        var leasing = try ipam?.startAdd()
        if let ipam { try undo.push("release the addresses") { () throws(CNIError) in try ipam.delete() } }

        let device = BridgeDevice(network.bridgeSettings(), ownPort: pair.hostName)
        let bridge = try network.attach(pair, to: device, in: netns, &host, undo: &undo)
        try inside.prepare(in: netns, detectsDuplicates: false)
        var result = AddResult()
        if var running = leasing.take(), let ipam { result = device.completing(try ipam.finishAdd(&running)) }
        // Where bridges answer for others, nobody hears who has an address now, so it keeps its hardware address.
        if mac == nil, network.tunnel.suppressesNeighbours, let address = result.ips.first?.address.address {
            pair.containerMAC = .following(address, in: configuration.vni)
            try inside.set(pair.containerMAC)
        }
        try inside.configure(result, in: netns)
        _ = try device.addGateways(for: result, on: bridge, &host, undo: &undo)
        let port = try device.waitForPort(pair.hostName, isUsed: true, &host)
        if !result.ips.isEmpty { try inside.announce(pair.containerMAC) }

        result.interfaces = try device.interfaces(bridge, port, pair, sandbox: request.netns, &host)
        if let tunnel = try host.link(named: network.tunnel.name) { result.interfaces.append(Interface(tunnel)) }
        if !configuration.dns.isEmpty { result.dns = configuration.dns }
        return result
    }

    func delete(_ request: Request<VxlanConfiguration>) throws(CNIError) {
        var effort = BestEffort()
        effort.attempt { () throws(CNIError) in
            var host = try Kernel.open()
            try host.deleteLink(ifExists: request.attachment.hostInterface)
        }
        effort.attempt { () throws(CNIError) in try releasing(request)?.delete() }
        effort.attempt { () throws(CNIError) in try tearDown(request) }
        try effort.finish()
    }

    func check(_ request: Request<VxlanConfiguration>) throws(CNIError) {
        var host = try Kernel.open()
        let network = try VxlanNetwork(request.configuration, request.attachment.network, &host)
        try request.ipam(request.configuration.ipam(request.document, network.subnets, of: network.networks))?.check()
        let result = try request.requiredPreviousResult()
        let expected = try request.containerInterface(in: result)
        let netns = try request.openNamespace()
        var container = try ContainerCheck(expected, in: netns)
        let link = try container.link(kind: "veth")
        if !link.isUp { throw .drifted("the container's interface " + link.name + " is down") }
        try container.addressesAndRoutes(result, on: link)
        let device = BridgeDevice(network.bridgeSettings(), ownPort: request.attachment.hostInterface)
        try device.check(port: link.peer, result, &host)
        if let obstacle = try network.obstacle(&host) { throw CNIError(.drifted, obstacle.message, obstacle.details) }
        if let complaint = try network.complaint(&host) ?? network.forwardingComplaint(result) {
            throw CNIError(.drifted, complaint, "\"vxlan reconcile\" with the network's file, or any ADD, corrects it")
        }
        if let backend = request.configuration.masquerade { try network.masquerade(&host).verify(backend) }
    }

    func collect(_ request: Request<VxlanConfiguration>, keeping valid: ValidAttachments) throws(CNIError) {
        var effort = BestEffort()
        effort.attempt { () throws(CNIError) in
            var host = try Kernel.open()
            try host.deleteHostInterfaces(of: request.attachment.network, keeping: valid)
        }
        effort.attempt { () throws(CNIError) in try releasing(request)?.collect() }
        effort.attempt { () throws(CNIError) in try tearDown(request) }
        try effort.finish()
    }

    func status(_ request: Request<VxlanConfiguration>) throws(CNIError) {
        var host = try Kernel.open()
        let network = try VxlanNetwork(request.configuration, request.attachment.network, missing: .notReady, &host)
        try request.ipam(request.configuration.ipam(request.document, network.subnets, of: network.networks))?.status()
        if let backend = request.configuration.masquerade { try network.masquerade(&host).probe(backend) }
        do throws(CNIError) {
            if !network.isKept { try network.tunnel.checkPlace(&host) }
            if let obstacle = try network.obstacle(&host) { throw obstacle }
        } catch {
            throw CNIError(.notReady, error.message, error.details)
        }
        try network.checkRoom(&host)
        let name = request.configuration.bridge.name
        guard let bridge = try BridgeDevice.find(name, &host) else { return }
        // BR_MAX_PORTS of the kernel.
        let count = try host.links(master: bridge.index).count
        guard count < 1023 else {
            throw CNIError(.notReady, "the bridge \(name) is full", "it has \(count) ports, and there can be 1023")
        }
    }

    /// What gives addresses back, which works although this host may not find its place any more.
    private func releasing(_ request: Request<VxlanConfiguration>) throws(CNIError) -> IPAM? {
        let configuration = request.configuration
        var subnets = configuration.subnets
        // A lease is found by its holder, so any range will do; and the subnet may have been another one by then.
        if subnets.isEmpty, let any = Prefix("192.0.2.0/24") { subnets = [any] }
        return try request.ipam(configuration.ipam(request.document, subnets, of: configuration.networks))
    }
}
