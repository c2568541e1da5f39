// SPDX-License-Identifier: Apache-2.0

/// A table of the packet filter: all that the suite keeps for one purpose, so that nobody else's rules are touched.
public struct Table: Sendable {
    /// Which packets a table sees.
    public enum Family: String, Sendable {
        /// IPv4.
        case ip
        /// IPv6.
        case ip6
        /// IPv4 and IPv6.
        case inet
        /// Frames on bridges.
        case bridge
    }

    /// Which packets it sees.
    public let family: Family
    /// Its name in the family.
    public let name: String

    /// Names a table.
    public init(_ family: Family, _ name: String) {
        self.family = family
        self.name = name
    }

    /// Both, as nft(8) writes them.
    public var description: String { "\(family.rawValue) \(name)" }
}
