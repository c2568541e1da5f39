// SPDX-License-Identifier: Apache-2.0

import CNI
import Interfaces
import NFTables

extension SpoofCheck {
    /// Looks whether the rules are as ADD made them.
    func verify(_ mac: String) throws(CNIError) {
        let listing: Listing?
        do throws(RulesError) {
            var rules = try Rules.open()
            listing = try rules.list(Self.table)
        } catch {
            throw CNIError(error)
        }
        let veth = attachment.hostInterface
        let source = #"[{"match":{"op":"!=","left":{"payload":{"protocol":"ether","field":"saddr"}},"right":""# + mac
        let guarding = source + #""}},{"counter":""# + Self.counter + #""},{"drop":null}]"#
        let leading = #"[{"vmap":{"key":{"meta":{"key":"iifname"}},"data":"@"# + Self.map + #""}}]"#
        let element = #"[""# + veth + #"",{"jump":{"target":""# + chain + #""}}]"#
        var found = (guarding: false, leading: false)
        for rule in listing?.rules ?? [] {
            if rule.chain == chain { found.guarding = rule.expressions == guarding }
            if rule.chain == Self.base, rule.expressions == leading { found.leading = true }
        }
        guard found.guarding else {
            throw CNIError.drifted("no rule drops what comes from " + veth + " and not from " + mac)
        }
        guard found.leading, listing?.elements.contains(element) ?? false else {
            throw CNIError.drifted("no rule leads from " + veth + " to the chain " + chain)
        }
    }

    /// Looks whether an ADD could have its rules, by asking the kernel about them without making any.
    static func probe() throws(CNIError) {
        var base = Transaction("filter frames on bridges", in: table)
        addBase(&base, isNew: false)
        do throws(RulesError) {
            var rules = try Rules.open()
            try rules.check(base)
        } catch {
            throw CNIError(.notReady, "macspoofchk cannot be had", error.text)
        }
    }
}
