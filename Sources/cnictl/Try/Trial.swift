// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import JSON
import Linux

/// A rehearsal of a network with two containers on a private host.
final class Trial {
    /// The network.
    let list: NetworkList
    /// Where the steps go.
    let reporter: Reporter
    /// The plugins of the network.
    let chain: Chain
    /// What the command line asked for.
    let options: Options
    /// The file that describes the network.
    let file: String
    /// The environment of the process.
    let environment: Environment
    /// The descriptor that tells of requests to end.
    let signals: CInt
    /// Both containers; none until the private host is made.
    var containers: [Rehearsal] = []
    /// The host as it was before the first ADD.
    var before: HostState?
    /// The interfaces that came to be on the host.
    var newDevices: [HostState.Device] = []
    /// The leases that were there between ADD and DEL.
    var leases: [LeaseStore.Lease] = []
    /// What was found at the end.
    var leftovers = Leftovers()
    /// The attempts to get packets through.
    var probes: [Probe] = []

    /// Rehearses what the command line names; says whether everything worked and nothing is left.
    static func run(_ options: Options, signals: CInt) throws(Failure) -> Bool {
        let environment = Environment.current()
        do throws(CNIError) {
            guard ProcessArguments.isRoot else {
                throw CNIError(
                    .invalidEnvironment,
                    "cnictl try needs root",
                    "it makes network and mount namespaces, which only root may; run it with sudo"
                )
            }
            let list = try NetworkList.load(options.operands[0])
            let interface = environment.value(of: "CNI_IFNAME", default: "eth0")
            try Names.validateInterface(interface)
            if options.hosts > 1 {
                return try HostsTrial(list, options, environment, signals, interface: interface).perform()
            }
            return Trial(list, options, environment, signals).perform(interface)
        } catch {
            throw Failure(error)
        }
    }

    private init(_ list: NetworkList, _ options: Options, _ environment: Environment, _ signals: CInt) {
        (self.list, self.options, self.environment, self.signals) = (list, options, environment, signals)
        file = options.operands[0]
        reporter = Reporter(isSilent: options.wantsJSON, environment: environment)
        chain = Chain(
            list,
            pluginPath: Self.pluginPath(list, environment),
            environment: environment,
            signals: signals
        )
    }

    /// Where the plugins are: as told, or beside this program if all are there, or where they usually are.
    static func pluginPath(_ list: NetworkList, _ environment: Environment, and others: [String] = []) -> String {
        let usual = "/opt/cni/bin"
        if let path = environment["CNI_PATH"], !path.isEmpty { return path }
        guard let own = try? ProcessArguments.executable(), let slash = own.utf8.lastIndex(of: UInt8(ascii: "/")) else {
            return usual
        }
        let beside = String(own[..<slash])
        let wanted = (list.plugins.map { $0.type } + list.plugins.map { $0.ipamType } + others).filter { !$0.isEmpty }
        return wanted.allSatisfy { Delegate.find($0, in: beside) != nil } ? beside : usual
    }

    /// Rehearses; says whether everything worked and nothing is left.
    private func perform(_ interface: String) -> Bool {
        let types = list.plugins.map { $0.type }.joined(separator: ", ")
        reporter.headline("network \(list.name), CNI \(list.version.description): \(types)")
        reporter.show(["plugins from \(chain.pluginPath)"])
        prepare(interface)
        if before != nil {
            let isAttached = attach()
            if isAttached {
                showState()
                reporter.headline("does it work?")
                awaitAddresses()
                probeNeighbours()
                probePorts()
                check()
            } else {
                reporter.skipped("pings, ports and CHECK", "not both containers are attached")
                if list.plugins.contains(where: { $0.type == HostsPlan.plugin }) {
                    reporter.show(["this network is made for several hosts: with --hosts 3 it is tried on three"])
                }
            }
            reporter.headline("does it go away?")
            detach()
            lookForLeftovers()
        }
        let isGood = !reporter.hasFailures
        if options.wantsJSON { Tool.print(json) } else { reporter.summarize() }
        return isGood
    }

    private func prepare(_ interface: String) {
        reporter.headline("what comes to be?")
        let store = LeaseStore.root(list)
        before = reporter.step("make a private host") { () throws(Failure) in
            do throws(CNIError) {
                try PrivateHost.enter(store: store)
                var made: [Rehearsal] = []
                for name in ["try1", "try2"] {
                    let path = try PrivateHost.makeContainer(name)
                    let container = Container(id: "cnictl-\(name)", netns: path, interface: interface)
                    made.append(Rehearsal(name: name, container: container, before: try HostState.capture(in: path)))
                }
                containers = made
                return (try HostState.capture(), "uplink up0 \(PrivateHost.address)")
            } catch {
                throw Failure(error)
            }
        }
        guard !ports.isEmpty, !containers.isEmpty else { return }
        // Both containers cannot have the same ports of the host.
        containers[0].container.capabilities["portMappings"] = portMappings
    }

    /// Attaches both containers; says whether both are.
    private func attach() -> Bool {
        for index in containers.indices {
            let subject = containers[index]
            let result: AddResult? = reporter.step("ADD \(subject.name)") { () throws(Failure) in
                let result = try chain.attach(subject.container)
                return (result, result.addressText)
            }
            guard let result else {
                for other in containers[(index + 1)...] {
                    reporter.skipped("ADD \(other.name)", "the one before failed")
                }
                return false
            }
            containers[index].result = result
        }
        return true
    }

    private func check() {
        for subject in containers {
            if let reason = chain.reasonAgainstCheck {
                reporter.skipped("CHECK \(subject.name)", reason)
            } else {
                _ = reporter.step("CHECK \(subject.name)") { () throws(Failure) in
                    try chain.check(subject.container)
                    return ((), "")
                }
            }
        }
    }

    /// Detaches all, also what was never attached: DEL must bear that.
    private func detach() {
        for subject in containers {
            _ = reporter.step("DEL \(subject.name)") { () throws(Failure) in
                try chain.delete(subject.container)
                return ((), "")
            }
        }
    }
}
