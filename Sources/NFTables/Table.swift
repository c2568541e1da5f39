// SPDX-License-Identifier: Apache-2.0

/// A table of the packet filter: all that the suite keeps for one purpose, so that nobody else's rules are touched.
public struct Table: Sendable {
    /// Its family and name, as nft(8) writes them.
    public let description: String

    /// Names a table of a family: ip, ip6, inet for both, or bridge for frames on bridges.
    public init(_ description: String) { self.description = description }

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
