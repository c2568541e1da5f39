// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import Netlink
import Overlay

extension Agent {
    /// The interface and the address by which the others reach this host: by default those of the default route.
    func findUnderlay() throws(Trouble) -> Underlay {
        try Trouble.host { () throws(CNIError) in
            var (master, local) = (configuration.master, configuration.local)
            if master == nil, local == nil {
                let ways = try host.routes(.v4).filter { $0.destination == .defaultV4 && $0.table == 254 }
                guard let way = ways.min(by: { $0.priority < $1.priority }) else {
                    throw CNIError(
                        .tryAgain,
                        "this host has no default route",
                        "give master, the interface to the other hosts, or local, its address there"
                    )
                }
                master = try host.link(index: way.interface)?.name
            }
            if local == nil, let master, let link = try host.link(named: master) { local = try address(of: link) }
            return try Underlay.find(interface: master, local: local, peers: [], missing: .tryAgain, &host)
        }
    }

    /// The address of an interface that the others are told; nothing if there is none that can be used.
    ///
    /// It is one of IPv4 if there is any. As long as that which they know is there, it stays, because a tunnel is torn down with
    /// its end; else it is the oldest that lasts.
    private func address(of link: Link) throws(CNIError) -> IPAddress? {
        let known = routes?.place.underlay.local ?? memory.address
        var best: IPAddress?
        var most = -1
        for address in try host.addresses(of: link.index) where address.scope == 0 && !address.hasFailed {
            let candidate = address.prefix.address
            let isV4 = candidate.family == .v4
            let rank = (isV4 ? 4 : 0) + (candidate == known ? 2 : 0) + (address.isLasting ? 1 : 0)
            // The kernel lists those of IPv4 from the oldest on, and those of IPv6 from the newest on.
            if rank > most || (rank == most && !isV4) { (best, most) = (candidate, rank) }
        }
        return best
    }

    /// The address of IPv6 that Flannel's hosts are told besides, in a network of both versions of IP; nothing if none lasts.
    ///
    /// Flannel's daemon has a tunnel for each version, and it leaves out hosts that it cannot reach through both.
    func secondAddress(_ networks: [Prefix], _ underlay: Underlay) throws(Trouble) -> IPAddress? {
        guard networks.count > 1, underlay.local.family == .v4 else { return nil }
        return try Trouble.host { () throws(CNIError) in
            let usable = try host.addresses(of: underlay.link.index).filter { address in
                address.prefix.address.family == .v6 && address.scope == 0 && address.isLasting
                    && !address.isTentative && !address.hasFailed
            }
            // The oldest, which the kernel lists last.
            return usable.last?.prefix.address
        }
    }
}
