// SPDX-License-Identifier: Apache-2.0

import CNI
import Interfaces
import Linux
import Netlink
import Overlay
import Rules

extension VxlanNetwork {
    /// The rules by which what leaves the network bears the host's address.
    func masquerade(_ host: inout Kernel) throws(CNIError) -> NetworkMasquerade {
        // Where overlayd leads by plain routes, the device is the very one by which packets leave.
        var past = tunnel.name
        if isKept, try host.link(named: past)?.kind != "vxlan" { past = "" }
        return NetworkMasquerade(name, within: networks, tunnel: past)
    }

    /// Makes the rules as they are to be, or removes them if there are to be none, and says whether that took anything.
    ///
    /// To be called with the lock on shared interfaces held alone.
    @inline(never)
    func correctMasquerade(_ host: inout Kernel) throws(CNIError) -> Bool {
        let rules = try masquerade(&host)
        if try rules.complaint(configuration.masquerade) == nil { return false }
        try rules.ensure(configuration.masquerade)
        return true
    }

    /// Does the same, and owes the removal of what was made unless another attachment has come to use it.
    func correctMasquerade(_ host: inout Kernel, besides own: String, undo: inout UndoStack) throws(CNIError) {
        guard try correctMasquerade(&host), configuration.masquerade != nil else { return }
        let network = name
        try undo.push("stop masquerading " + network) { () throws(CNIError) in
            let lock = try SharedInterfaceLock.acquire(alone: true)
            defer { withExtendedLifetime(lock) {} }
            var host = try Kernel.open()
            if try !host.hasAttachments(of: network, besides: own) { try NetworkMasquerade(network).remove() }
        }
    }
}

extension RouteSocket where Failure == CNIError {
    /// Whether an attachment of a network has its end on this host, other than one of a name.
    @inline(never)
    mutating func hasAttachments(of network: String, besides own: String = "") throws(CNIError) -> Bool {
        let prefix = Attachment.aliasPrefix(network: network)
        return try links(kind: "veth").contains { $0.alias.begins(with: prefix) && $0.name != own }
    }
}
