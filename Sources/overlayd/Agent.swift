// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
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
    var routes: RegistryRoutes?
    var holding: Holding?
    /// Hosts that cannot be reached, by key, so that each is complained of once.
    var complaints: [String: String] = [:]
    /// The key and the value of the network's configuration as it was listed.
    var settings: [UInt8] = []
    /// What the plugin was told.
    var file: RegistryFile?
    /// A lease that nobody came to use yet.
    var spareLease: Int64 = 0
    private let lock: FileLock

    /// What the registry gave this host.
    struct Holding: Equatable {
        /// The subnets.
        var subnets: [Prefix]
        /// The number of the lease; 0 if the subnet stays without one.
        var lease: Int64
        /// How long a lease lasts; 0 if the subnet stays without one.
        var seconds: Int
        /// When the registry last heard of this host, in seconds since 1970.
        var renewed: Int64
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
            events = try RouteEvents.open()
        } catch {
            throw Trouble(error)
        }
        memory = AgentMemory("\(configuration.stateDirectory)/\(configuration.network).json")
    }

    /// Works until the process is told to end.
    func run() throws(Trouble) {
        var failures: UInt64 = 0
        var said = ""
        while true {
            do throws(Trouble) {
                try synchronise()
                if failures > 0 { Daemon.log("all is well again") }
                (failures, said) = (0, "")
                try follow()
                continue
            } catch {
                if error.kind != .passing { throw error }
                if error.description != said { Daemon.log(error.description) }
                said = error.description
            }
            // The first new try is made at once: another member may be there.
            try pause(failures)
            failures += 1
        }
    }

    /// Waits longer the more has failed, up to two seconds, and never as long as others do.
    private func pause(_ failures: UInt64) throws(Trouble) {
        if failures == 0 { return }
        let most = UInt64(min(2000, 100 << min(failures, 5)))
        let entropy = (try? Clock.entropy()) ?? 0
        var rest = Int64(most / 2 + entropy % (most / 2))
        let end = Clock.monotonicNanoseconds() + rest * 1_000_000
        while rest > 0 {
            let wake = client.wait(events.descriptor, limitMilliseconds: Int(rest))
            if wake.ends { throw Trouble(.ends, "told to end") }
            // The registry may be away, but the tunnel need not be.
            if wake.isReadable, concernsUs() { correct() }
            rest = (end - Clock.monotonicNanoseconds()) / 1_000_000
        }
    }

    /// Whether what the kernel tells of is about the tunnel or what is below it.
    func concernsUs() -> Bool {
        guard let indexes = events.interfaces() else { return true }
        guard let routes else { return false }
        return indexes.contains(routes.interface) || indexes.contains(routes.place.underlay.link.index)
    }

    /// Compares what is known with the kernel, when the registry need not be asked.
    func correct() {
        do throws(Trouble) { try ensure() } catch { Daemon.log(error.description) }
    }

    /// Compares what is known with the kernel.
    func ensure() throws(Trouble) {
        let count = try Trouble.host { () throws(CNIError) in
            let lock = try SharedInterfaceLock.acquire(alone: true)
            defer { withExtendedLifetime(lock) {} }
            return try routes?.ensure(&host) ?? 0
        }
        if count > 0 { Daemon.log("\(count) entries corrected") }
    }

    /// The keys of all hosts begin with this.
    var subnetPrefix: String { "\(configuration.prefix)/subnets/" }

    /// The key of the network's configuration.
    var settingsKey: String { "\(configuration.prefix)/config" }

    /// The part of a key that tells one host from another; nothing if it is not the key of a host.
    func hostKey(_ key: String) -> String? {
        guard key.utf8.starts(with: subnetPrefix.utf8) else { return nil }
        return String(decoding: Array(key.utf8.dropFirst(subnetPrefix.utf8.count)), as: UTF8.self)
    }
}
