// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import JSON
import Linux
import Netlink

/// Switches the loopback interface of a container on.
///
/// The interface comes with the namespace and goes with it; nothing is left on the host. Whatever the request calls the
/// interface, it is "lo", as in the reference.
struct Loopback: Plugin {
    static let name = "loopback"
    private static let interface = "lo"

    func add(_ request: Request<NoConfiguration>, undo: inout UndoStack) throws(CNIError) -> AddResult {
        var kernel = try kernel(in: try request.openNamespace())
        let link = try loopback(&kernel)
        if !link.isUp {
            try switchOn(true, &kernel)
            let netns = request.netns
            try undo.push("switch the loopback off") { () throws(CNIError) in
                var kernel = try self.kernel(
                    in: try CNIError.attempt("open \(netns)") { () throws(Errno) in try .open(netns) }
                )
                try self.switchOn(false, &kernel)
            }
        }
        let addresses = try kernel.addresses(of: link.index)
        if let foreign = addresses.first(where: { !$0.prefix.address.isLoopback }) {
            throw CNIError(
                .kernel,
                "loopback interface found with non-loopback address \"\(foreign.prefix.description)\"",
                "remove the address from lo in the container"
            )
        }
        if let previous = try request.previousResult() { return previous }
        return AddResult(
            interfaces: [Interface(name: Self.interface, mac: "00:00:00:00:00:00", sandbox: request.netns)],
            ips: addresses.map { IPConfiguration(address: $0.prefix, interface: 0) }
        )
    }

    func delete(_ request: Request<NoConfiguration>) throws(CNIError) {
        guard let netns = try request.openNamespaceIfExists() else { return }
        var kernel = try kernel(in: netns)
        try switchOn(false, &kernel)
    }

    func check(_ request: Request<NoConfiguration>) throws(CNIError) {
        var kernel = try kernel(in: try request.openNamespace())
        guard try loopback(&kernel).isUp else { throw CNIError.drifted("loopback interface is down") }
    }

    /// Nothing is left on the host that could be collected.
    func collect(_ request: Request<NoConfiguration>, keeping valid: ValidAttachments) throws(CNIError) {}

    /// What ADD needs comes with every namespace.
    func status(_ request: Request<NoConfiguration>) throws(CNIError) {}

    private func kernel(in netns: consuming NetworkNamespace) throws(CNIError) -> Kernel {
        try netns.perform { () throws(CNIError) in try Kernel.open() }
    }

    private func loopback(_ kernel: inout Kernel) throws(CNIError) -> Link {
        guard let link = try kernel.link(named: Self.interface) else {
            throw CNIError(.kernel, "the container has no loopback interface", "a namespace always has one called lo")
        }
        return link
    }

    private func switchOn(_ isUp: Bool, _ kernel: inout Kernel) throws(CNIError) {
        var change = LinkChange()
        change.isUp = isUp
        var batch = MessageBatch()
        batch.setLink(Self.interface, change)
        try kernel.send(batch)
    }
}

/// The plugin reads no keys of its own.
struct NoConfiguration: PluginConfiguration {
    init(_ node: ConfigNode) throws(ConfigError) {}
}
