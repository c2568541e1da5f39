// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import JSON
import Linux
import Netlink

/// What came to be on each host, and what is there at the end.
extension HostsTrial {
    /// Shows each host with its part of the network.
    func showHosts() {
        var table = Table(["HOST", "ADDRESS", "SUBNET", "MADE", "CONTAINER", "MTU"])
        for host in hosts {
            let made = host.after?.devices(since: host.before).filter { $0.kind != "veth" } ?? []
            let device = host.subject.after?.device(host.subject.container.interface)
            table.append([
                host.name, host.addresses.map { $0.description }.joined(separator: ", "),
                host.subnets.map { $0.description }.joined(separator: ", "),
                made.map { "\($0.kind) \($0.link.name)" }.joined(separator: ", "),
                host.containerAddresses.map { $0.description }.joined(separator: ", "),
                device.map { "\($0.link.mtu)" } ?? "-",
            ])
        }
        reporter.show([""] + table.lines(indent: 2))
    }

    /// Compares every host with how it was before the first ADD.
    func lookForLeftovers() {
        let found: Leftovers? = reporter.step("look at interfaces, routes, leases") { () throws(Failure) in
            var found = Leftovers()
            for host in hosts {
                try host.perform { () throws(Failure) in
                    do throws(CNIError) {
                        let subject = host.subject
                        found.compare(host.before, try HostState.capture(), at: host.name)
                        found.compare(
                            subject.before,
                            try HostState.capture(in: subject.container.netns),
                            at: subject.name
                        )
                        found.addFiles(of: list)
                    } catch {
                        throw Failure(error)
                    }
                }
            }
            return (found, "")
        }
        leftovers = found ?? leftovers
        for host in hosts {
            let rules: [String]? = try? host.perform { () throws(Failure) in
                let names = host.subject.filterNames(list)
                return PacketFilter.lines(naming: names, reporter, on: host.name, environment, signals)
            }
            for rule in rules ?? [] { leftovers.add("\(host.name): rule \(rule)") }
        }
        var shown: [String] = []
        for thing in leftovers.shared where !shown.contains(thing) {
            shown.append(thing)
            reporter.show(["  stays, shared: \(thing)"])
        }
        for leak in leftovers.leaks { reporter.failed("left behind", leak) }
    }

    /// The whole trial as one document.
    var json: JSON {
        [
            "network": .string(list.name), "cniVersion": .string(list.version.description),
            "file": .string(options.operands[0]), "pluginPath": .string(pluginPath),
            "ok": .bool(!reporter.hasFailures), "steps": .array(reporter.steps.map { $0.json }),
            "hosts": .array(hosts.map { $0.json }), "probes": .array(probes.map { $0.json }),
            "leftovers": .array(leftovers.leaks.map { .string($0) }),
            "shared": .array(leftovers.shared.map { .string($0) }),
        ]
    }
}
