// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Claims
import Etcd
import Interfaces
import JSON
import Linux
import Netlink
import Overlay

/// Keeps one host's part of a network: its subnet in the registry, and what leads to the other hosts.
///
/// It lists everything once, compares, and then follows the changes. Whatever goes wrong on the way leads back to the list;
/// what is in the kernel stays as it is meanwhile, because only a list that was read to its end can say that a host is gone.
final class Agent {
    let configuration: AgentConfiguration
    var client: EtcdClient
    var host: Kernel
    var events: RouteEvents<CNIError>
    var memory: AgentMemory
    /// What of it is in the file, and why the rest is not.
    var (written, unwritten): (AgentMemory, String)
    var routes: RegistryRoutes?
    var holding: Holding?
    /// Hosts that cannot be reached, by key, so that each is complained of once.
    var complaints: [String: String] = [:]
    /// The same for those to which the kernel refuses a way.
    var refusals: [String: String] = [:]
    /// All hosts that could be reached, of which some must give way to an older key.
    var claims = RegistryClaims()
    /// Those that must, by key, so that each is complained of once.
    var objections: [String: String] = [:]
    /// The key and the value of the network's configuration as it was listed.
    var settings: [UInt8] = []
    /// What the plugin was told.
    var file: RegistryFile?
    /// The address of IPv6 that is in the registry besides the one that counts.
    var publicIPv6: IPAddress?
    /// A lease that nobody came to use yet.
    var spareLease: Int64 = 0
    /// How many lists in a row were read to their end and came to nothing all the same, and how many hosts the last one had.
    var useless = (lists: 0, hosts: 0)
    /// When the kernel is to be looked at.
    var corrections = Corrections()
    /// How many members in a row were left because they did not answer in time.
    var slowMembers = 0
    /// How often something has failed since all was well.
    private var failures = 0
    /// What was said since then, so that each trouble is complained of once.
    private var said: Set<String> = []
    private let lock: FileLock

    /// What the registry gave this host.
    struct Holding: Equatable {
        /// The subnets.
        var subnets: [Prefix]
        /// The number of the lease; 0 if the subnet stays without one.
        var lease: Int64
        /// How long a lease lasts; 0 if the subnet stays without one.
        var seconds: Int
        /// When the registry last heard of this host.
        var heard: RegistryWord
    }

    /// Prepares to work, alone on this host.
    init(_ configuration: AgentConfiguration, signals: CInt) throws(Trouble) {
        self.configuration = configuration
        let path = "\(configuration.stateDirectory)/\(configuration.network).lock"
        do throws(Errno) {
            try FileStatus.makeDirectories(configuration.stateDirectory)
            lock = try FileLock.acquire(try .open(path, [.write, .create]), limitMilliseconds: 0)
            client = try EtcdClient(configuration.etcd, signals: signals, start: try Clock.entropy())
        } catch {
            throw Trouble(
                .configuration,
                error == .wouldBlock
                    ? "another overlayd looks after \(configuration.network) (\(path) is locked)"
                    : "\(path): \(error.description)"
            )
        }
        do throws(CNIError) {
            host = try Kernel.open()
            events = try RouteEvents.open(origin: Tunnel.origin, besides: host)
        } catch {
            throw Trouble(error)
        }
        memory = AgentMemory("\(configuration.stateDirectory)/\(configuration.network).json")
        (written, unwritten) = (memory, "")
    }

    /// Works until the process is told to end.
    func run() throws(Trouble) {
        while true {
            do throws(Trouble) {
                try synchronise()
                try follow()
                settle()
                continue
            } catch {
                if error.kind != .passing { throw error }
                complain(error)
            }
            try pause()
            failures += 1
        }
    }

    /// Says once what is wrong, until all is well again.
    private func complain(_ error: Trouble) {
        if said.count > 100 { said = [] }
        if said.insert(error.description).inserted { Daemon.log(error.description) }
    }

    /// Notes that all is well, which is so when changes have been followed for a while: a list alone proves nothing, because
    /// there are members whose watch ends at once.
    func settle() {
        if failures > 0 { Daemon.log("all is well again") }
        (failures, said) = (0, [])
    }

    /// Waits before the next try, and meanwhile repairs what is damaged: the registry may be away, but the tunnel need not be.
    private func pause() throws(Trouble) {
        listen()
        let start = Self.now()
        var end = start + pauseMilliseconds()
        // The next try may take long, so what has just happened comes first.
        if let due = corrections.due { end = max(end, min(due, start + 100)) }
        while true {
            let now = Self.now()
            if let due = corrections.due, now >= due {
                do throws(Trouble) { try ensure() } catch { complain(error) }
            }
            if now >= end { return }
            let limit = min(end, corrections.due ?? end) - Self.now()
            let wake = client.wait(events.descriptor, limitMilliseconds: max(0, limit))
            if wake.ends { throw Trouble(.ends, "told to end") }
            if wake.isReadable { listen() }
        }
    }

    /// The longer the more has failed, up to one second, because who has just come is to be known within two; and never as long
    /// as others wait.
    ///
    /// But lists that came to nothing cost the registry as much as others. So they are read the more seldom the more hosts there
    /// are, and yet often enough for the lease.
    private func pauseMilliseconds() -> Int {
        // The first new try is made at once: another member may be there.
        if failures == 0 { return 0 }
        var most = min(1000, 100 << min(failures, 4))
        let limit = min(Self.fairMilliseconds(hosts: useless.hosts), configuration.leaseSeconds * 1000 / 3)
        if useless.lists > 0 { most = max(most, min(limit, 100 << min(useless.lists, 16))) }
        let entropy = (try? Clock.entropy()) ?? 0
        return most / 2 + Int(entropy % UInt64(most / 2))
    }

    /// Takes what the kernel tells, and has everything compared if that is about the tunnel, what is below it, or this host.
    ///
    /// Nothing else may take events, because one that nobody acts on is damage that stays.
    func listen() { if concernsUs() { corrections.ask(Self.now(), atMost: fairMilliseconds) } }

    private func concernsUs() -> Bool {
        guard let events = events.take() else { return true }
        guard let routes else { return false }
        if events.contains(where: { routes.isDamage($0) }) { return true }
        // Containers bring addresses of other interfaces, which hardly ever mean anything.
        let isAddress = events.contains { if case .address = $0 { true } else { false } }
        return isAddress && (try? routes.place.isOutdated(by: host.addresses())) ?? true
    }

    /// How seldom a host asks for anything so that all hosts together ask at most a thousand times a second.
    private static func fairMilliseconds(hosts: Int) -> Int { 1000 + hosts }

    /// The same for the hosts that are known.
    var fairMilliseconds: Int { Self.fairMilliseconds(hosts: routes?.count ?? 0) }

    /// Milliseconds that never run backwards.
    static func now() -> Int { Int(Clock.monotonicNanoseconds() / 1_000_000) }

    /// Compares what is known with the kernel.
    func ensure() throws(Trouble) {
        let count: Int
        do throws(CNIError) {
            let lock = try SharedInterfaceLock.acquire(alone: true)
            defer { withExtendedLifetime(lock) {} }
            count = try routes?.ensure(&host) ?? 0
            // Now that all entries are made, which would be very many events.
            try events.follow(neighboursOf: routes?.tunnelInterface ?? 0)
        } catch {
            corrections.fail(Self.now(), atMost: fairMilliseconds)
            throw Trouble(error)
        }
        say(corrected: corrections.succeed(Self.now(), count))
        report()
    }

    /// Tries once more what the kernel refused: whatever was in the way may be gone.
    func retry() {
        if refusals.isEmpty { return }
        let count = routes?.retry(&host) ?? 0
        say(corrected: corrections.correct(Self.now(), count))
        report()
    }

    private func say(corrected count: Int) { if count > 0 { Daemon.log("\(count) entries corrected") } }

    /// Says of each host that must give way to whom it must, once; the others that it must give way to change nothing for it.
    func reportObjections() {
        let said = objections
        objections = claims.objections
        for (key, reason) in objections where said[key] == nil { Daemon.log("no way to \(key): \(reason)") }
    }

    /// Says of each host to which there is no way why, once.
    private func report() {
        reportObjections()
        let said = refusals
        refusals = [:]
        for (key, reason) in routes?.refusals ?? [] {
            if said[key] != reason { Daemon.log("no way to \(key): \(reason)") }
            refusals[key] = reason
        }
    }

    /// The keys of all hosts begin with this.
    var subnetPrefix: String { "\(configuration.prefix)/subnets/" }

    /// The key of the network's configuration.
    var settingsKey: String { "\(configuration.prefix)/config" }

    /// The part of a key that tells one host from another; nothing if it is not the key of a host.
    func hostKey(_ key: String) -> String? {
        guard key.begins(with: subnetPrefix) else { return nil }
        return String(decoding: Array(key.utf8.dropFirst(subnetPrefix.utf8.count)), as: UTF8.self)
    }
}
