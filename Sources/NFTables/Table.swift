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
    /// Asked without libnftables, which would read all that is in the tables to answer it.
    public func use(ofChain chain: String) throws(Errno) -> Int? {
        let use = unsafe clibnftables_chain_use(description, chain)
        if use >= 0 { return Int(use) }
        _ = try Self.isMissing(CInt(-use))
        return nil
    }

    /// The comment of an element of a verdict map and the chain that it leads to; nothing if there is no such element.
    ///
    /// Asked without libnftables, which would read the whole map.
    public func element(of map: String, _ key: String) throws(Errno) -> (comment: String, chain: String)? {
        guard let key = ElementBatch.encode(key) else { throw .invalidArgument }
        var element = clibnftables_element()
        let result = unsafe key.withUnsafeBytes { bytes in
            unsafe clibnftables_element(description, map, bytes.baseAddress, bytes.count, &element)
        }
        if result < 0, try Self.isMissing(-result) { return nil }
        return (Self.text(&element.comment), Self.text(&element.chain))
    }

    /// Whether a number says that something doesn't exist; where the kernel has no tables, nothing can be in them.
    private static func isMissing(_ number: CInt) throws(Errno) -> Bool {
        let errno = Errno(number)
        if [.noSuchFile, .invalidArgument, .notSupported, .protocolNotSupported].contains(errno) { return true }
        throw errno
    }

    private static func text<T>(_ characters: inout T) -> String {
        unsafe withUnsafeBytes(of: &characters) { unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// The name without the family.
    var name: String {
        String(decoding: Array(description.utf8.drop { $0 != UInt8(ascii: " ") }.dropFirst()), as: UTF8.self)
    }

    /// The number of the family: NFPROTO_… of linux/netfilter.h.
    var familyNumber: UInt8 {
        let family = description.utf8.prefix { $0 != UInt8(ascii: " ") }
        return family.elementsEqual("inet".utf8)
            ? 1 : family.elementsEqual("ip".utf8) ? 2 : family.elementsEqual("ip6".utf8) ? 10 : 7
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
