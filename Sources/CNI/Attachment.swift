// SPDX-License-Identifier: Apache-2.0

import Linux

/// What ties a container to a network: the key of everything that a plugin leaves on the host.
///
/// Names on the host follow from it alone, so DEL and GC find them without a namespace, without a previous result, and
/// after a crash.
public struct Attachment: Equatable, Sendable {
    /// The name of the network.
    public let network: String
    /// The identifier of the container.
    public let containerID: String
    /// The name of the interface in the container.
    public let interface: String

    /// Makes an attachment from its parts.
    public init(network: String, containerID: String, interface: String) {
        self.network = network
        self.containerID = containerID
        self.interface = interface
    }

    /// A hash of all three parts, in hexadecimal.
    ///
    /// The parts cannot hold a zero byte, so no two attachments give the same input.
    public var hash: String {
        SHA512.hexadecimal(of: Array(network.utf8) + [0] + Array(containerID.utf8) + [0] + Array(interface.utf8))
    }

    /// The name of the interface on the host: 15 bytes, of which 44 bits tell attachments apart.
    public var hostInterface: String { "veth" + String(decoding: hash.utf8.prefix(11), as: UTF8.self) }

    /// The alias of the interface on the host, which tells people and GC whose it is.
    ///
    /// The kernel keeps 255 bytes, so a long identifier is replaced by the hash.
    public var alias: String {
        let prefix = Self.aliasPrefix(network: network)
        let alias = "\(prefix)\(containerID)/\(interface)"
        if alias.utf8.count <= 255 { return alias }
        return "\(prefix)\(String(decoding: hash.utf8.prefix(64), as: UTF8.self))/\(interface)"
    }

    /// Whether an alias was given by this suite.
    public static func isAlias(_ text: String) -> Bool { text.begins(with: "cni:") }

    /// How the aliases of a network's interfaces begin.
    ///
    /// The kernel keeps 255 bytes, so a long name is replaced by its hash.
    public static func aliasPrefix(network: String) -> String {
        let name = network.utf8.count <= 128 ? network : SHA512.hexadecimal(of: Array(network.utf8))
        return "cni:\(name)/"
    }
}
