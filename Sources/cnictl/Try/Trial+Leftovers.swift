// SPDX-License-Identifier: Apache-2.0

import CNI

/// What is there after the last DEL.
extension Trial {
    /// Compares everything with how it was before the first ADD.
    func lookForLeftovers() {
        guard let before else { return }
        let found: Leftovers? = reporter.step("look at interfaces, routes, leases") { () throws(Failure) in
            do throws(CNIError) {
                var found = Leftovers()
                found.compare(before, try HostState.capture(), at: "host")
                for subject in containers {
                    found.compare(subject.before, try HostState.capture(in: subject.container.netns), at: subject.name)
                }
                return (found, "")
            } catch {
                throw Failure(error)
            }
        }
        leftovers = found ?? leftovers
        leftovers.addFiles(of: list)
        let rules = PacketFilter.lines(
            naming: containers.flatMap { $0.filterNames(list) },
            reporter,
            environment,
            signals
        )
        for rule in rules { leftovers.add("rule \(rule)") }
        for thing in leftovers.shared { reporter.show(["  stays, shared: \(thing)"]) }
        for leak in leftovers.leaks { reporter.failed("left behind", leak) }
    }
}
