// SPDX-License-Identifier: Apache-2.0

import CNI
import Interfaces
import Linux
import Netlink
import Overlay

extension VxlanNetwork {
    /// Makes a pair whose host's end is a port of the bridge, once bridge and tunnel are as they are to be.
    ///
    /// While others attach, the tunnel may be looked at but not changed: who finds something wrong waits until nobody does.
    mutating func attach(
        _ pair: VethPair,
        to device: BridgeDevice,
        in netns: borrowing NetworkNamespace,
        _ host: inout Kernel,
        undo: inout UndoStack
    ) throws(CNIError) -> Link {
        // A round is lost only to another process that changed the tunnel, or took it away, between two looks.
        for _ in 0..<64 {
            if let bridge = try attachIfRight(pair, to: device, in: netns, &host, undo: &undo) { return bridge }
            try correct(device, &host, undo: &undo)
        }
        throw CNIError(
            .tryAgain,
            "the tunnel " + tunnel.name + " keeps changing",
            "another process changes it all the time"
        )
    }

    private func attachIfRight(
        _ pair: VethPair,
        to device: BridgeDevice,
        in netns: borrowing NetworkNamespace,
        _ host: inout Kernel,
        undo: inout UndoStack
    ) throws(CNIError) -> Link? {
        let lock = try SharedInterfaceLock.acquire(alone: false)
        defer { withExtendedLifetime(lock) {} }
        _ = try device.ensure(&host, undo: &undo)
        if try complaint(&host) != nil { return nil }
        if try obstacle(&host) != nil { return nil }
        return try device.attach(pair, in: netns, &host, undo: &undo)
    }

    private mutating func correct(
        _ device: BridgeDevice,
        _ host: inout Kernel,
        undo: inout UndoStack
    ) throws(CNIError) {
        let lock = try SharedInterfaceLock.acquire(alone: true)
        defer { withExtendedLifetime(lock) {} }
        // What was read before may be older by now than what another process has made of it.
        let now = try VxlanNetwork(configuration, name, &host)
        guard now.subnets == subnets, now.mtu == mtu else {
            throw CNIError(
                .tryAgain,
                "the network " + name + " has just changed",
                "its addresses or its MTU became others"
            )
        }
        tunnel = now.tunnel
        // First, because a subnet that this host had may be another one's now.
        _ = try correctBridge(&host)
        if !isKept { try correctTunnel(device, &host, undo: &undo) }
        if let obstacle = try obstacle(&host) { throw obstacle }
        try correctMasquerade(&host, besides: device.ownPort, undo: &undo)
    }

    private func correctTunnel(_ device: BridgeDevice, _ host: inout Kernel, undo: inout UndoStack) throws(CNIError) {
        let tunnel = tunnel
        var wasMade = false
        do throws(CNIError) {
            _ = try tunnel.ensure(&host) { () throws(CNIError) in wasMade = true }
        } catch {
            // Nobody can have come to use it, because nobody else has the lock.
            if wasMade { _ = try? tunnel.remove(&host) }
            throw error
        }
        guard wasMade else { return }
        let (network, own) = (name, device.ownPort)
        try undo.push("delete " + tunnel.name) { () throws(CNIError) in
            let lock = try SharedInterfaceLock.acquire(alone: true)
            defer { withExtendedLifetime(lock) {} }
            var host = try Kernel.open()
            // Another attachment may have come to use it.
            if try !host.hasAttachments(of: network, besides: own) { try tunnel.remove(&host) }
        }
    }
}
