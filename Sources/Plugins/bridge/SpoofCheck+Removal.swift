// SPDX-License-Identifier: Apache-2.0

import CNI
import Linux
import NFTables
import Rules

extension SpoofCheck {
    /// Removes the rules, and the table with the last ones.
    ///
    /// - Returns: What went wrong, because the caller goes on whatever it was.
    func remove() -> CNIError? {
        do throws(RulesError) {
            var rules = try Rules.open()
            if let listing = try rules.list(Self.table, .map(Self.map)) {
                try Self.remove([Self.chain(attachment)], listing, &rules)
            }
            return nil
        } catch {
            return Self.failure(error)
        }
    }

    /// Removes the rules of a network's attachments that are not valid any more.
    ///
    /// - Returns: What went wrong.
    static func collect(_ network: String, keeping valid: ValidAttachments) -> CNIError? {
        guard case .only(let attachments) = valid else { return nil }
        do throws(RulesError) {
            var rules = try Rules.open()
            guard let listing = try rules.list(table) else { return nil }
            let kept = attachments.map { chain($0) }
            let beginning = "comment \"" + Attachment.ownerPrefix(network: network)
            var dead: [String] = []
            for chain in listing.chains(named: "mac-", containing: beginning) where !kept.contains(chain) {
                dead.append(chain)
            }
            if !dead.isEmpty { try remove(dead, listing, &rules) }
            return nil
        } catch {
            return failure(error)
        }
    }

    /// What remains to be said of a failed removal; a host that has no packet filter has no rules to remove.
    @inline(never)
    private static func failure(_ error: RulesError) -> CNIError? {
        StandardStreams.log(error.text)
        return error.errno == .notSupported ? nil : CNIError(error)
    }

    /// Removes chains with what leads to them.
    ///
    /// The table goes with the last of them. The kernel refuses that if an ADD came after the look, whose rule uses the
    /// counter: so nobody loses rules, and only then there is a second attempt.
    private static func remove(
        _ chains: [String],
        _ listing: Listing,
        _ rules: inout Rules
    ) throws(RulesError) {
        var removal = Transaction("remove a spoof check", in: table)
        var others = listing.count(" : jump ")
        for chain in chains {
            let (chain, content) = (Object.chain(chain), Self.element(chain))
            if listing.contains(content) { others -= 1 }
            // The element needs the chain, and the chain can go only after it.
            removal.add(chain)
            removal.deleteIfExists(.element(of: map, content))
            removal.delete(chain)
        }
        if others == 0 {
            var last = removal
            last.delete(.counter("forged"))
            last.delete(.table)
            // What is wrong the next attempt tells, if it is not the use of the counter.
            if (try? rules.run(last)) != nil { return }
        }
        do { try rules.run(removal) } catch {
            // Another process removed the table after the look.
            if error.errno != .noSuchFile { throw error }
        }
        // Those whom the look showed may have gone at the same time, and have seen this one.
        if others != 0, let rest = try rules.list(table, .map(map)), rest.count(" : jump ") == 0 {
            try remove(chains, rest, &rules)
        }
    }
}
