// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import NFTables
import Rules

/// The rule by which a container can send only with its own hardware address.
///
/// One rule serves the whole host: a frame from a guarded port passes only if port and sender are a pair that is allowed, so
/// it meets the same number of rules however many containers there are.
struct SpoofCheck {
    private static var table: SharedTable {
        SharedTable("bridge swift_cni") { base in
            base.add(.counter("forged"))
            base.add(.set("guarded", "type ifname;"))
            base.add(.set("allowed", "type ifname . ether_addr;"))
            base.add(.chain("prerouting", "type filter hook prerouting priority -300; policy accept;"))
            base.add(
                .rule(
                    in: "prerouting",
                    "iifname @guarded iifname . ether saddr != @allowed counter name \"forged\" drop"
                )
            )
        }
    }

    private let attachment: Attachment

    init(_ attachment: Attachment) { self.attachment = attachment }

    private func belongings(_ mac: MACAddress) -> Belongings {
        var belongings = Belongings()
        let port = Object.quoted(attachment.hostInterface)
        belongings.add("guarded", port)
        belongings.add("allowed", joined(port, " . ", mac.description))
        return belongings
    }

    /// Lets only frames with this address through that come from the container.
    func add(_ mac: MACAddress, undo: inout UndoStack) throws(CNIError) {
        try CNIError.rules { () throws(RulesError) in
            try Self.table.add(attachment, belongings(mac), yields: SharedTable.everybody)
        }
        let check = self
        try undo.push("remove the spoof check of " + attachment.hostInterface) { () throws(CNIError) in
            try check.remove()
        }
    }

    /// Removes the rules.
    func remove() throws(CNIError) {
        try CNIError.removingRules { () throws(RulesError) in _ = try Self.table.remove(attachment) }
    }

    /// Removes the rules of a network's attachments that are not valid any more.
    static func collect(_ network: String, keeping valid: ValidAttachments) throws(CNIError) {
        try CNIError.removingRules { () throws(RulesError) in _ = try table.collect(network, keeping: valid) }
    }

    /// Looks whether the rules are as ADD made them.
    func verify(_ mac: MACAddress) throws(CNIError) {
        let isThere = try CNIError.rules { () throws(RulesError) in try Self.table.holds(attachment, belongings(mac)) }
        if isThere { return }
        throw CNIError.drifted(joined("the spoof check of ", attachment.hostInterface, " is not as it was"))
    }

    /// Looks whether an ADD could have its rules.
    static func probe() throws(CNIError) { try table.probe() }
}
