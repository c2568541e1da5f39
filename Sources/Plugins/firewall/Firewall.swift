// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import NFTables
import Rules

/// Lets the packets of containers pass where the host's own rules would stop them, and keeps containers of different
/// bridges apart if that is asked for.
///
/// A host without rules of its own for forwarded packets lets them pass by itself, and nothing is done. What stops packets
/// can be overruled only where it stops them: in the tables of iptables, or in a zone of firewalld.
struct Firewall: Plugin {
    static let name = "firewall"

    func add(_ request: Request<FirewallConfiguration>, undo: inout UndoStack) throws(CNIError) -> AddResult {
        let (configuration, attachment) = (request.configuration, request.attachment)
        try configuration.validate()
        guard let result = try request.previousResult() else { throw Self.notChained }
        let isolation = try Isolation(attachment, configuration.ingressPolicy, result)
        let addresses = result.ips.map { $0.address }
        if !addresses.isEmpty {
            try undo.push("stop letting packets of \(attachment.owner) pass") { () throws(CNIError) in
                try Admission(attachment, configuration).remove(addresses)
            }
            try Admission(attachment, configuration).add(addresses, undo: &undo)
        }
        if let isolation {
            try undo.push("end the isolation of \(attachment.owner)") { () throws(CNIError) in try isolation.undo() }
            try isolation.add()
        }
        return result
    }

    func delete(_ request: Request<FirewallConfiguration>) throws(CNIError) {
        var effort = BestEffort()
        var addresses: [Prefix] = []
        effort.attempt { () throws(CNIError) in
            addresses = try request.previousResult()?.ips.map { $0.address } ?? []
        }
        effort.attempt { () throws(CNIError) in
            try Admission(request.attachment, request.configuration).remove(addresses)
        }
        effort.attempt { () throws(CNIError) in try Isolation.remove(request.attachment) }
        try effort.finish()
    }

    func check(_ request: Request<FirewallConfiguration>) throws(CNIError) {
        try request.configuration.validate()
        guard let result = try request.previousResult() else { throw Self.notChained }
        try Admission(request.attachment, request.configuration).check(result.ips.map { $0.address })
        try Isolation(request.attachment, request.configuration.ingressPolicy, result)?.check()
    }

    func collect(_ request: Request<FirewallConfiguration>, keeping valid: ValidAttachments) throws(CNIError) {
        var effort = BestEffort()
        effort.attempt { () throws(CNIError) in
            try Admission(request.attachment, request.configuration).collect(keeping: valid)
        }
        effort.attempt { () throws(CNIError) in try Isolation.collect(request.attachment.network, keeping: valid) }
        try effort.finish()
    }

    func status(_ request: Request<FirewallConfiguration>) throws(CNIError) {
        try request.configuration.validate()
        try Admission(request.attachment, request.configuration).probe()
        if request.configuration.ingressPolicy != .open { try Isolation.probe() }
    }

    private static var notChained: CNIError {
        CNIError(
            .invalidConfiguration,
            "missing prevResult from earlier plugin",
            "firewall comes after the plugin that gives the container its addresses"
        )
    }
}
