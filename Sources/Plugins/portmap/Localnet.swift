// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import Linux

/// The kernel setting that lets packets from the host's loopback out to the containers.
///
/// It is switched on for the one interface that leads to a container, by whoever comes first, and off again by whoever
/// goes last; one that was on before is left alone.
enum Localnet {
    private static func key(_ interface: String) -> String { "net/ipv4/conf/\(interface)/route_localnet" }

    /// Whether the setting is off.
    static func isOff(_ interface: String) throws(CNIError) -> Bool {
        let value = try CNIError.attempt("read \(key(interface))") { () throws(Errno) in
            try Sysctl.read(key(interface))
        }
        return value != "1"
    }

    /// The interface to the IPv4 address.
    static func interface(_ targets: [Target]) -> String? { targets.first { $0.address.family == .v4 }?.interface }

    /// Switches the setting on or off; an interface that is gone has none.
    static func set(_ interface: String, _ isOn: Bool) throws(CNIError) {
        try Sysctl.set(key(interface), isOn ? "1" : "0")
    }

    /// Looks whether the setting is on.
    static func check(_ targets: [Target]) throws(CNIError) {
        guard let interface = interface(targets), try isOff(interface) else { return }
        throw CNIError.drifted("\(key(interface)) is not 1 any more")
    }
}
