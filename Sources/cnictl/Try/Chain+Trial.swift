// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import JSON
import Linux

/// What every rehearsal asks of the plugins.
extension Chain {
    /// Attaches a container and returns what is known of it then.
    func attach(_ container: Container) throws(Failure) -> AddResult {
        let json = try add(container)
        do throws(ConfigError) { return try AddResult(ConfigNode(json), assuming: list.version) } catch {
            throw Failure(.configuration(error))
        }
    }

    /// Why there is no CHECK in this network; nothing if there is one.
    var reasonAgainstCheck: String? {
        if list.version < .v0_4_0 {
            return "the network speaks \(list.version.description), CHECK came with 0.4.0"
        }
        return list.disablesCheck ? "the network has disableCheck" : nil
    }
}

extension AddResult {
    /// The addresses as people write them.
    var addressText: String { ips.map { $0.address.description }.joined(separator: ", ") }
}
