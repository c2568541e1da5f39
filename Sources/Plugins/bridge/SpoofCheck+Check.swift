// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import NFTables
import Rules

extension SpoofCheck {
    /// Looks whether the rules are as ADD made them.
    func verify(_ mac: MACAddress) throws(CNIError) {
        let chain = Self.chain(attachment)
        // As nft(8) shows it: the attachment's rule is the first one in its chain.
        let own = joined("chain ", chain, " {\n\t\t", Self.rule(mac))
        do throws(RulesError) {
            var rules = try Rules.open()
            if let listing = try rules.list(Self.table), listing.contains("iifname vmap @spoofguard\n"),
                listing.contains(own), listing.contains(Self.element(chain))
            {
                return
            }
        } catch {
            throw CNIError(error)
        }
        throw CNIError.drifted(joined("the spoof check of ", attachment.hostInterface, " is not as it was"))
    }

    /// Looks whether an ADD could have its rules, by asking the kernel about them without making any.
    static func probe() throws(CNIError) {
        var base = Transaction("filter frames on bridges", in: table)
        addBase(&base, isNew: false)
        do throws(RulesError) {
            var rules = try Rules.open()
            try rules.check(base)
        } catch {
            throw CNIError(.notReady, "cannot " + error.operation, error.text)
        }
    }
}
