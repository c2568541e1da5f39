// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import JSON
import Linux

/// A rehearsal of a network on several private hosts with a container each.
final class HostsTrial {
    /// The network.
    let list: NetworkList
    /// What the command line asked for.
    let options: Options
    /// The environment of the process.
    let environment: Environment
    /// The descriptor that tells of requests to end.
    let signals: CInt
    /// What the hosts are to be like.
    let plan: HostsPlan
    /// Where the steps go.
    let reporter: Reporter
    /// Where the plugins are.
    let pluginPath: String
    private let interface: String
    private let registry: PrivateRegistry?
    private let routing: PrivateRouting?
    /// The hosts; none until they are made.
    private(set) var hosts: [TrialHost] = []
    /// The attempts to get packets through.
    var probes: [Probe] = []
    /// What was found at the end.
    var leftovers = Leftovers()

    /// Prepares a rehearsal, or says why there can be none.
    init(
        _ list: NetworkList,
        _ options: Options,
        _ environment: Environment,
        _ signals: CInt,
        interface: String
    ) throws(CNIError) {
        (self.list, self.options, self.environment, self.signals) = (list, options, environment, signals)
        self.interface = interface
        plan = try HostsPlan(list, options)
        try Names.validateInterface(plan.interface)
        let daemons = plan.registry == nil ? [] : [PrivateRegistry.daemon]
        // The process will change its view of the file system, in which the working directory is another.
        pluginPath = try Self.absolute(Trial.pluginPath(list, environment, and: daemons))
        if let wanted = plan.registry {
            registry = try PrivateRegistry(wanted, list, pluginPath: pluginPath, environment, signals)
        } else {
            registry = nil
        }
        routing = plan.isExternal ? try PrivateRouting(environment, signals) : nil
        reporter = Reporter(isSilent: options.wantsJSON, environment: environment)
    }

    private static func absolute(_ path: String) throws(CNIError) -> String {
        let directories = Array(path.utf8).split(separator: UInt8(ascii: ":")).map {
            String(decoding: $0, as: UTF8.self)
        }
        var complete: [String] = []
        for directory in directories { complete.append(try NetworkCommand.absolute(directory)) }
        return complete.joined(separator: ":")
    }

    /// Rehearses; says whether everything worked and nothing is left.
    func perform() -> Bool {
        let types = list.plugins.map { $0.type }.joined(separator: ", ")
        reporter.headline("network \(list.name), CNI \(list.version.description): \(types)")
        reporter.show(["plugins from \(pluginPath)"] + plan.notes)
        reporter.headline("what comes to be?")
        if makeHosts() {
            if serve(), attach() {
                showHosts()
                routing?.awaitEntries(hosts, reporter)
                reporter.headline("do the hosts' containers talk?")
                reporter.awaitAddresses(signals) {
                    hosts.forEach { $0.look() }
                    return hosts.compactMap { $0.after } + hosts.compactMap { $0.subject.after }
                }
                probe()
                check()
            } else {
                reporter.skipped("pings, connections and CHECK", "not all containers are attached")
            }
            reporter.headline("does it go away?")
            detach()
            registry?.end(hosts, reporter)
            routing?.end()
            lookForLeftovers()
        }
        if options.wantsJSON { Tool.print(json) } else { reporter.summarize() }
        return !reporter.hasFailures
    }

    private func makeHosts() -> Bool {
        let made: [TrialHost]? = reporter.step("make \(plan.hosts.count) private hosts") { () throws(Failure) in
            do throws(CNIError) {
                let stores = [LeaseStore.root(list)] + (plan.registry.map { [$0.directory] } ?? [])
                let namespaces = try PrivateUnderlay.make(plan, covering: stores)
                var made: [TrialHost] = []
                for (index, host) in plan.hosts.enumerated() {
                    let chain = Chain(
                        list.replacing(host.changes, in: HostsPlan.plugin),
                        pluginPath: pluginPath,
                        environment: environment,
                        signals: signals
                    )
                    made.append(
                        try TrialHost("host\(index + 1)", host, chain, namespaces[index], interface: interface)
                    )
                }
                let addresses = made.map { $0.addresses.map { $0.description }.joined(separator: " and ") }
                return (made, "\(plan.interface) has \(addresses.joined(separator: ", "))")
            } catch {
                throw Failure(error)
            }
        }
        hosts = made ?? []
        return made != nil
    }

    /// Starts the servers that the network needs; says whether they serve.
    private func serve() -> Bool {
        (registry?.begin(hosts, reporter) ?? true) && (routing?.begin(hosts, reporter) ?? true)
    }

    /// Attaches all containers; says whether all are.
    private func attach() -> Bool {
        var isComplete = true
        for host in hosts {
            let container = host.subject.container
            let result: AddResult? = reporter.step("ADD \(host.subject.name) on \(host.name)") { () throws(Failure) in
                let result = try host.perform { () throws(Failure) in try host.chain.attach(container) }
                return (result, result.addressText)
            }
            host.subject.result = result
            host.look()
            isComplete = isComplete && result != nil
        }
        return isComplete
    }

    private func check() {
        if let reason = hosts.first?.chain.reasonAgainstCheck { return reporter.skipped("CHECK", reason) }
        for host in hosts {
            _ = reporter.step("CHECK \(host.subject.name)") { () throws(Failure) in
                try host.perform { () throws(Failure) in try host.chain.check(host.subject.container) }
                return ((), "")
            }
        }
    }

    /// Detaches all, also what was never attached: DEL must bear that.
    private func detach() {
        for host in hosts {
            _ = reporter.step("DEL \(host.subject.name)") { () throws(Failure) in
                try host.perform { () throws(Failure) in try host.chain.delete(host.subject.container) }
                return ((), "")
            }
        }
    }
}
