// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import JSON
import Linux
import Netlink

/// The real servers of a network with a registry, on private hosts: the members of etcd, and overlayd on each host.
final class PrivateRegistry {
    /// The daemon that each host has.
    static let daemon = "overlayd"
    private static let limitNanoseconds: Int64 = 60_000_000_000

    private let plan: RegistryPlan
    private let list: NetworkList
    private let environment: Environment
    private let signals: CInt
    private let paths: (etcd: String, client: String, daemon: String)
    private var members: [Service] = []
    private var daemons: [Service] = []

    /// Finds the programs.
    init(
        _ plan: RegistryPlan,
        _ list: NetworkList,
        pluginPath: String,
        _ environment: Environment,
        _ signals: CInt
    ) throws(CNIError) {
        guard let daemon = Delegate.find(Self.daemon, in: pluginPath) else {
            throw CNIError(
                .delegate,
                "failed to find \(Self.daemon) in path \(pluginPath)",
                "each host of a network with a registry needs it; install it beside the plugins, or correct CNI_PATH"
            )
        }
        let path = environment.value(of: "PATH", default: "/usr/local/bin:/usr/bin:/bin")
        let etcd = try Self.find("etcd", in: path, package: "etcd-server")
        let client = try Self.find("etcdctl", in: path, package: "etcd-client")
        (self.plan, self.list, self.signals, paths) = (plan, list, signals, (etcd, client, daemon))
        // Settings of the machine's own servers are not for these.
        self.environment = Environment(environment.entries.filter { !$0.hasPrefix("ETCD") } + ["ETCDCTL_API=3"])
    }

    private static func find(_ name: String, in path: String, package: String) throws(CNIError) -> String {
        if let found = Delegate.find(name, in: path) { return found }
        throw CNIError(
            .delegate,
            "\(name) is not installed",
            "the registry of this network is etcd, which is started privately; on Debian: apt-get install \(package)"
        )
    }

    /// Starts all servers; says whether all hosts have subnets and know each other.
    func begin(_ hosts: [TrialHost], _ reporter: Reporter) -> Bool {
        let isServed: Void? = reporter.step("start etcd") { () throws(Failure) in
            do throws(CNIError) {
                for (index, member) in plan.members.enumerated() { try start(member, index, hosts) }
                try configure()
            } catch {
                throw Failure(error)
            }
            return ((), "\(plan.prefix)/config is \(text)")
        }
        guard isServed != nil else { return false }
        let isKnown: Void? = reporter.step("start overlayd on each host") { () throws(Failure) in
            do throws(CNIError) {
                for host in hosts { try startDaemon(on: host) }
                try awaitRoutes(hosts)
            } catch {
                throw Failure(error)
            }
            return ((), "each has a subnet and knows the others")
        }
        return isKnown != nil
    }

    private var text: String { String(decoding: plan.configuration.serialize(), as: UTF8.self) }

    private static func directory(_ name: String) -> String { "\(PrivateHost.scratch)/\(name)" }

    /// Starts a member on the host whose address it has, or beside the hosts.
    private func start(_ member: RegistryPlan.Member, _ index: Int, _ hosts: [TrialHost]) throws(CNIError) {
        let cluster = plan.members.enumerated().map { "m\($0)=\($1.peerURL)" }.joined(separator: ",")
        let name = "etcd-m\(index)"
        let arguments = [
            "--name", "m\(index)", "--data-dir", Self.directory(name), "--initial-cluster", cluster,
            "--listen-peer-urls", member.peerURL, "--initial-advertise-peer-urls", member.peerURL,
            "--listen-client-urls", member.url, "--advertise-client-urls", member.url,
            // All is on one machine, so nobody has to be waited for as long as in a real network.
            "--heartbeat-interval", "50", "--election-timeout", "500",
        ]
        let start = { () throws(CNIError) in
            try CNIError.attempt("start \(self.paths.etcd)") { () throws(Errno) in
                try Service.start(
                    self.paths.etcd,
                    arguments: arguments,
                    environment: self.environment,
                    log: "\(Self.directory(name)).log"
                )
            }
        }
        if let host = hosts.first(where: { $0.addresses.contains(member.address) }) {
            members.append(try host.perform(start))
        } else {
            members.append(try start())
        }
    }

    /// Tells the registry of the network as soon as it listens.
    private func configure() throws(CNIError) {
        let endpoints = plan.members.map { $0.url }.joined(separator: ",")
        let words = ["--endpoints", endpoints, "--command-timeout", "2s", "put", "\(plan.prefix)/config", text]
        let end = Clock.monotonicNanoseconds() + Self.limitNanoseconds
        while true {
            let outcome = try CNIError.attempt("run \(paths.client)") { () throws(Errno) in
                var child = try ChildProcess.start(paths.client, arguments: words, environment: environment, input: [])
                return try child.finish(signals: signals)
            }
            if outcome.exitCode == 0 { return }
            if Termination.isPending { throw CNIError(.tryAgain, "ended by a signal") }
            let hasEnded = members.contains { $0.hasEnded }
            if hasEnded || Clock.monotonicNanoseconds() > end {
                let said = String(decoding: outcome.errorOutput, as: UTF8.self)
                throw CNIError(.tryAgain, hasEnded ? "a member of etcd ended" : "etcd does not answer", said)
            }
            _ = Poll.isReadable(signals, timeoutMilliseconds: 50)
        }
    }

    private func startDaemon(on host: TrialHost) throws(CNIError) {
        let (file, arguments) = (Self.directory("network.conflist"), daemonArguments)
        let document = host.chain.list.replacing(
            [
                .init("subnetFile", .string(Self.directory("subnet.env"))),
                .init("registry", Self.registry(of: host.chain.list)),
            ],
            in: HostsPlan.plugin
        ).json
        let daemon = try host.perform { () throws(CNIError) in
            try CNIError.attempt("start \(paths.daemon) on \(host.name)") { () throws(Errno) in
                try FileDescriptor.open(file, [.write, .create, .truncate]).writeAll(document.serialize())
                return try Service.start(
                    paths.daemon,
                    arguments: arguments,
                    environment: environment,
                    log: Self.directory("overlayd.log")
                )
            }
        }
        daemons.append(daemon)
    }

    private var daemonArguments: [String] { ["--config", Self.directory("network.conflist")] }

    /// The object registry, with what the daemon remembers in memory.
    private static func registry(of list: NetworkList) -> JSON {
        for plugin in list.plugins where plugin.type == HostsPlan.plugin {
            guard case .object(var registry)? = plugin.document["registry"] else { continue }
            registry["stateDir"] = .string(directory("overlay"))
            return .object(registry)
        }
        return .null
    }

    /// Waits until each host has ways to all others.
    private func awaitRoutes(_ hosts: [TrialHost]) throws(CNIError) {
        let end = Clock.monotonicNanoseconds() + Self.limitNanoseconds
        for (host, daemon) in zip(hosts, daemons) {
            while true {
                let state = try host.perform { () throws(CNIError) in try HostState.capture() }
                let ways = state.routes.filter { $0.route.origin == Leftovers.overlay }
                if ways.count >= (hosts.count - 1) * plan.networks.count { break }
                if daemon.hasEnded || Clock.monotonicNanoseconds() > end || Termination.isPending {
                    throw CNIError(
                        .tryAgain,
                        "overlayd of \(host.name) \(daemon.hasEnded ? "ended" : "does not know all others")",
                        "it said: \(lastLine(on: host))"
                    )
                }
                _ = Poll.isReadable(signals, timeoutMilliseconds: 20)
            }
        }
    }

    private func lastLine(on host: TrialHost) -> String {
        let bytes: [UInt8]? = try? host.perform { () throws(Failure) in
            try Failure.attempt("read") { () throws(Errno) in
                try FileDescriptor.open("\(Self.directory("overlayd")).log").readAll()
            }
        }
        let line = (bytes ?? []).split(separator: UInt8(ascii: "\n")).last ?? []
        return String(decoding: Array(line), as: UTF8.self)
    }

    /// Has each host give back its subnet, and ends all servers.
    func end(_ hosts: [TrialHost], _ reporter: Reporter) {
        if !daemons.isEmpty {
            _ = reporter.step("give the subnets back, end overlayd") { () throws(Failure) in
                for (host, daemon) in zip(hosts, daemons) {
                    daemon.stop(limitMilliseconds: 5000)
                    try revoke(on: host)
                }
                return ((), "")
            }
        }
        for member in members { member.stop(limitMilliseconds: 2000) }
    }

    private func revoke(on host: TrialHost) throws(Failure) {
        let outcome = try host.perform { () throws(Failure) in
            try Failure.attempt("run \(paths.daemon)") { () throws(Errno) in
                var child = try ChildProcess.start(
                    paths.daemon,
                    arguments: daemonArguments + ["--revoke"],
                    environment: environment,
                    input: []
                )
                return try child.finish(signals: signals)
            }
        }
        guard outcome.exitCode != 0 else { return }
        let said = String(decoding: outcome.errorOutput, as: UTF8.self)
        throw Failure(CNIError(.tryAgain, "overlayd of \(host.name) cannot give its subnet back", said))
    }
}
