// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Etcd
import Interfaces
import JSON
import Linux
import Netlink
import Overlay

extension Agent {
    /// Follows the changes in the registry until something goes wrong or it is time to compare everything.
    func follow() throws(Trouble) {
        let start = Self.now()
        var heartbeat = start + heartbeatInterval
        var renewal = start + renewalInterval
        let resync = start + configuration.resyncMilliseconds
        while true {
            // What came while an answer was waited for wakes nobody, so it is taken before anything is waited for.
            while try takeEvents() {}
            let now = Self.now()
            if let due = corrections.due, now >= due {
                // The address of this host may be another one, so everything is looked at.
                if try hasMoved() {
                    // Addresses that come and go without end must not mean lists without end.
                    corrections.tire(now)
                    return
                }
                try ensure()
                continue
            }
            if now >= renewal {
                try renew()
                renewal = now + renewalInterval
                continue
            }
            if now >= heartbeat {
                try probe()
                retry()
                remember()
                settle()
                heartbeat = Self.now() + heartbeatInterval
                continue
            }
            if now >= resync { return }
            let next = min(heartbeat, renewal, resync, corrections.due ?? Int.max)
            let wake = client.wait(events.descriptor, limitMilliseconds: next - now)
            if wake.ends { throw Trouble(.ends, "told to end") }
            if wake.isReadable { listen() }
        }
    }

    private var renewalInterval: Int {
        guard let held = holding, held.seconds > 0 else { return 3_600_000 }
        return max(300, held.seconds * 1000 / 3)
    }

    private var heartbeatInterval: Int { configuration.heartbeatMilliseconds ?? fairMilliseconds }

    /// A member that does not answer is left, because its watch would keep silent as well.
    ///
    /// It gets little time, because new hosts stay unknown as long as it hangs. But to leave one costs a list, for which members
    /// that are merely slow must not be asked again and again: when the second one was too slow as well, the next one gets as
    /// much time as for anything else.
    private func probe() throws(Trouble) {
        let start = Self.now()
        try Trouble.registry { () throws(EtcdError) in
            do throws(EtcdError) {
                try client.probe(settingsKey, limitMilliseconds: slowMembers < 2 ? quickMilliseconds : Int.max)
            } catch {
                slowMembers += 1
                if error.kind == .unreachable { client.moveOn() }
                throw error
            }
        }
        if Self.now() - start < quickMilliseconds { slowMembers = 0 }
    }

    /// How long a member that is well takes at most.
    private var quickMilliseconds: Int { 750 }

    /// Takes what the watch has brought, and says whether that was anything; its end shows once there is nothing more.
    private func takeEvents() throws(Trouble) -> Bool {
        let events = try Trouble.registry { () throws(EtcdError) in try client.events() }
        guard !events.isEmpty, let held = holding, let place = routes?.place else { return false }
        try lookAfterOurs(events, held)
        let changes = changes(events, place)
        reportObjections()
        if changes.isEmpty { return true }
        do throws(CNIError) {
            let count = try routes?.apply(changes, &host) ?? 0
            Trace.step("\(changes.count) changes of hosts, \(count) of entries")
        } catch {
            Trace.step(error.description)
            try ensure()
        }
        return true
    }

    /// Notices when this host's own key is changed by somebody else, or the whole network is.
    private func lookAfterOurs(_ events: [EtcdEvent], _ held: Holding) throws(Trouble) {
        let own = subnetPrefix + RegistryLease.key(held.subnets)
        for event in events {
            switch event {
            case .removed(let key) where key == own: throw Trouble(.passing, "\(key) was taken away from this host")
            case .removed(let key) where key == settingsKey: throw Trouble(.passing, "etcd: \(key) was removed")
            case .set(let entry) where entry.key == settingsKey && entry.value != settings:
                throw Trouble(.passing, "the configuration of the network has changed")
            case .set(let entry) where entry.key == own:
                let host = hostKey(own).flatMap { try? RegistryLease(key: $0, value: entry.value) }?.publicIP
                guard host == routes?.place.underlay.local else {
                    throw Trouble(.passing, "\(own) was taken by \(host?.description ?? "somebody else")")
                }
                if entry.lease == held.lease { continue }
                if entry.lease == 0 { throw Trouble(.passing, "\(own) was set aside for this host by hand") }
                Daemon.log("another host with the address \(host?.description ?? "") has taken \(own) too")
            default: continue
            }
        }
    }

    /// Whether the interface below or an address of this host is another one than it was.
    private func hasMoved() throws(Trouble) -> Bool {
        guard let place = routes?.place else { return true }
        let isElsewhere = try Trouble.host { () throws(CNIError) in
            guard let link = try host.link(index: place.underlay.link.index), link.isUp,
                link.mtu == place.underlay.link.mtu
            else {
                return true
            }
            return try place.isOutdated(by: host.addresses())
        }
        if isElsewhere { return true }
        return try secondAddress(place.networks, place.underlay) != publicIPv6
    }
}
