// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Linux
import NFTables
import Rules

/// The chains of other containers that have a port which is wanted.
struct Holders {
    var chains: [String] = []
    /// What each of them has, in words.
    var claims: [String] = []
    /// The chains that lead to an address which the container has now.
    var outdated: [String] = []

    /// Refuses if one of them is not known to be dead, because IPAM gave its address away again.
    func refuseLiving() throws(CNIError) {
        for (chain, claim) in zip(chains, claims) where !outdated.contains(chain) {
            throw .portTaken(claim)
        }
    }
}

extension CNIError {
    /// Refuses a port, with the claim of who has it.
    static func portTaken(_ claim: String) -> CNIError {
        CNIError(
            .portTaken,
            "a host port is taken",
            claim + "; publish another port or address, or end that attachment by DEL or GC"
        )
    }
}

extension PortmapChains {
    /// Finds who has a port that is wanted.
    func findHolders(
        _ mappings: [PortMapping],
        _ target: Target,
        _ present: IPTables.Snapshot,
        _ holders: inout Holders
    ) {
        let destination = target.destination + ":"
        var container: [String] = []
        for rule in present.rules where rule.begins(with: "-A CNI-DN-") && rule.value(of: "-j") == "DNAT" {
            guard let holder = rule.value(of: "-A"), holder != chain, !container.contains(holder),
                let port = rule.value(of: "--dport")
            else {
                continue
            }
            if rule.value(of: "--to-destination")?.begins(with: destination) ?? false {
                holders.outdated.append(holder)
            }
            if holders.chains.contains(holder) { continue }
            let (number, transport, host) = (Int(port), rule.value(of: "-p"), rule.value(of: "-d"))
            for mapping in mappings where mapping.hostPort == number && mapping.applies(to: target.address.family) {
                guard mapping.transport.rawValue == transport, mapping.hostIP.map({ Self.text($0) }) == host else {
                    continue
                }
                let owner = present.leading(to: holder).first ?? holder
                // Another attachment of the same container: the first rule serves, and the other one after it.
                if owner.mentions(joined("id: \\\"", attachment.containerID, "\\\"")) {
                    container.append(holder)
                } else {
                    holders.chains.append(holder)
                    holders.claims.append(joined(mapping.description, " belongs to ", owner))
                }
                break
            }
        }
    }
}
