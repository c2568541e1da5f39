// SPDX-License-Identifier: Apache-2.0

import CLibNFTables
import Linux

/// A table of the packet filter: all that the suite keeps for one purpose, so that nobody else's rules are touched.
public struct Table: Sendable {
    /// Its family and name, as nft(8) writes them.
    public let description: String

    /// Names a table of a family: ip, ip6, inet for both, or bridge for frames on bridges.
    public init(_ description: String) { self.description = description }

    /// The name without the family.
    var name: String {
        String(decoding: Array(description.utf8.drop { $0 != UInt8(ascii: " ") }.dropFirst()), as: UTF8.self)
    }

    /// The number of the family in linux/netfilter.h.
    var familyNumber: UInt8 {
        let family = Array(description.utf8).prefix { $0 != UInt8(ascii: " ") }
        for (name, number) in [("inet", NFPROTO_INET), ("ip", NFPROTO_IPV4), ("ip6", NFPROTO_IPV6)]
        where family == Array(name.utf8)[...] {
            return UInt8(number)
        }
        return UInt8(NFPROTO_BRIDGE)
    }

    /// The words by which a command names an object, behind its verb.
    func command(_ verb: String, _ object: Object, _ rest: String = "") -> String {
        joined(
            verb,
            object.kind,
            " ",
            description,
            object.name.isEmpty ? "" : " ",
            object.name,
            rest.isEmpty ? "" : " ",
            rest
        )
    }
}

/// Texts one after the other: less code than interpolations and operators, of which rules need many.
@inline(never)
public func joined(_ parts: String...) -> String { parts.joined(separator: "") }
