// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import Linux
import NFTables

/// The rules by which what leaves a network of several hosts bears the address of the host by which it leaves.
///
/// They are the network's and not an attachment's: they follow from the configuration, hold for containers of other hosts that
/// go out by this one as well, and are looked at by one question to the kernel, however many containers there are. So they
/// cost an attachment nothing once they are there. Who changes them holds the lock on shared interfaces alone.
public struct NetworkMasquerade: Sendable {
    let network: String
    let networks: [Prefix]
    let tunnel: String

    /// Plans the rules of a network.
    ///
    /// What goes out by the tunnel stays as it is; where there is none, its name is empty. Who only looks for rules, or removes
    /// them, needs no more than the name of the network.
    public init(_ network: String, within networks: [Prefix] = [], tunnel: String = "") {
        (self.network, self.networks, self.tunnel) = (network, networks, tunnel)
    }

    /// What is not as it is to be; nothing if all is.
    ///
    /// It is found out without libnftables, and for iptables without a program where there are no rules of it.
    public func complaint(_ backend: Masquerade.Backend?) throws(CNIError) -> String? {
        let isRight: Bool
        switch backend {
        case .nftables:
            let (present, marked) = (try use("postrouting"), try use(plan))
            isRight = present == rules.count && marked == 0
        case .iptables: isRight = try isInIPTables()
        case nil: return try isPresent() ? joined("the masquerade of ", network, " is not to be there") : nil
        }
        return isRight ? nil : joined("the masquerade of ", network, " is not as it is to be")
    }

    /// Looks at the rules themselves.
    public func verify(_ backend: Masquerade.Backend) throws(CNIError) {
        guard case .nftables = backend else { return }
        let isThere = try CNIError.rules { () throws(RulesError) in
            var ruleset = try Ruleset<RulesError>.open()
            guard let listing = try ruleset.list(table) else { return false }
            return rules.allSatisfy { listing.contains($0) }
        }
        if !isThere { throw CNIError.drifted(joined("the masquerade of ", network, " is not as it is to be")) }
    }

    /// Puts what is to be in the place of what is there, without a moment in between.
    public func ensure(_ backend: Masquerade.Backend?) throws(CNIError) {
        switch backend {
        case .nftables:
            let isPresent = try use("postrouting") != nil
            try CNIError.rules { () throws(RulesError) in
                var creation = Transaction(joined("masquerade ", network), in: table)
                if isPresent {
                    creation.add(.table)
                    creation.delete(.table)
                }
                plan(in: &creation)
                var ruleset = try Ruleset<RulesError>.open()
                try ruleset.run(creation)
            }
            try removeFromIPTables()
        case .iptables:
            try addToIPTables()
            try removeTable()
        case nil: try remove()
        }
    }

    /// Removes the rules, wherever they are; the configuration may have changed since they were made.
    public func remove() throws(CNIError) {
        try removeTable()
        try removeFromIPTables()
    }

    private func removeTable() throws(CNIError) {
        guard try use("postrouting") != nil else { return }
        try CNIError.removingRules { () throws(RulesError) in
            var removal = Transaction(joined("stop masquerading ", network), in: table)
            // Added first, so that it is no error if somebody else was quicker.
            removal.add(.table)
            removal.delete(.table)
            var ruleset = try Ruleset<RulesError>.open()
            try ruleset.run(removal)
        }
    }

    /// Whether there may be rules; of the older tables of iptables it is only known that they are in use.
    public func isPresent() throws(CNIError) -> Bool {
        let present = try use("postrouting")
        return present != nil || mayBeInIPTables
    }

    /// Looks whether the rules could be made.
    public func probe(_ backend: Masquerade.Backend) throws(CNIError) {
        guard case .nftables = backend else { return try Masquerade.probe(backend) }
        do throws(RulesError) {
            var ruleset = try Ruleset<RulesError>.open()
            // They may be there already.
            var attempt = Transaction(joined("masquerade ", network), in: Table(joined(table.description, "_probe")))
            plan(in: &attempt)
            try ruleset.check(attempt)
        } catch {
            throw CNIError(.notReady, "cannot " + error.operation, error.text)
        }
    }

    private var table: Table { Table("inet swift_cni_overlay_" + digits(network, 16)) }

    /// The name of an empty chain, by which other rules than these would be noticed.
    private var plan: String { "plan-" + digits(rules.joined(separator: "\n"), 16) }

    func digits(_ text: String, _ count: Int) -> String {
        String(decoding: SHA512.hexadecimal(of: Array(text.utf8)).utf8.prefix(count), as: UTF8.self)
    }

    private func use(_ chain: String) throws(CNIError) -> Int? {
        do { return try TableSocket().use(ofChain: chain, in: table) } catch {
            throw CNIError(error, joined("look at the masquerade of ", network), kernelText: nil)
        }
    }

    /// A rule for each network; what is for another one of them, or for a group, stays as it is.
    private var rules: [String] {
        var rules: [String] = []
        for family in families {
            let (ip, groups) = Masquerade.words(family)
            let own = networks(family)
            let others = (own + [groups]).map { joined(" ", ip, " daddr != ", $0) }.joined(separator: "")
            let past = tunnel.isEmpty ? "" : " oifname != " + Object.quoted(tunnel)
            for source in own {
                rules.append(
                    joined(ip, " saddr ", source, others, past, " masquerade comment ", Object.quoted(network))
                )
            }
        }
        return rules
    }

    var families: [IPAddress.Family] { Masquerade.families(networks) }

    /// The networks of a family, as all languages write them.
    @inline(never)
    func networks(_ family: IPAddress.Family) -> [String] {
        networks.filter { $0.address.family == family }.map { $0.description }
    }

    private func plan(in transaction: inout Transaction) {
        transaction.create(.table)
        transaction.create(.chain("postrouting", "type nat hook postrouting priority srcnat; policy accept;"))
        transaction.create(.chain(plan))
        for rule in rules { transaction.add(.rule(in: "postrouting", rule)) }
    }
}
