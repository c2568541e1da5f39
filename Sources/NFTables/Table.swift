// SPDX-License-Identifier: Apache-2.0

import CLibNFTables
import Linux

/// A table of the packet filter: all that the suite keeps for one purpose, so that nobody else's rules are touched.
public struct Table: Sendable {
    /// Its family and name, as nft(8) writes them.
    public let description: String

    /// Names a table of a family: ip, ip6, inet for both, or bridge for frames on bridges.
    public init(_ description: String) { self.description = description }

    /// How many rules a chain has and how many rules and elements lead to it, taken together; nothing if there is no such chain.
    ///
    /// Asked without libnftables, which would read all that is in the table to answer it.
    public func use(ofChain chain: String) throws(Errno) -> Int? {
        let use = unsafe clibnftables_chain_use(description, chain)
        if use >= 0 { return Int(use) }
        let errno = Errno(CInt(-use))
        // Where the kernel has no tables, nothing can be in them.
        if [.noSuchFile, .invalidArgument, .notSupported, .protocolNotSupported].contains(errno) { return nil }
        throw errno
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
