// SPDX-License-Identifier: Apache-2.0

import CLibNFTables
import Linux

/// A socket through which the kernel is asked what is in its tables, without libnftables, which would read all of it to answer.
///
/// It belongs to the namespace of the thread that opened it.
public struct TableSocket: ~Copyable {
    // Where the kernel opens none, its refusal is the answer to every question.
    private let descriptor: CInt

    /// Opens a socket in the namespace of the calling thread.
    public init() { descriptor = clibnftables_socket_open() }

    deinit { clibnftables_socket_close(descriptor) }

    /// How many rules a chain has and how many rules and elements lead to it, taken together; nothing if there is no such chain.
    public func use(ofChain chain: String, in table: Table) throws(Errno) -> Int? {
        let use = unsafe clibnftables_chain_use(descriptor, table.familyNumber, table.name, chain)
        if use >= 0 { return Int(use) }
        _ = try Self.isMissing(CInt(-use))
        return nil
    }

    /// The comment of an element of a verdict map and the chain that it leads to; nothing if there is no such element.
    public func element(
        of map: String,
        _ key: String,
        in table: Table
    ) throws(Errno) -> (comment: String, chain: String)? {
        guard let key = ElementBatch.encode(key) else { throw .invalidArgument }
        var element = clibnftables_element()
        let result = unsafe key.withUnsafeBytes { bytes in
            unsafe clibnftables_element(
                descriptor,
                table.familyNumber,
                table.name,
                map,
                bytes.baseAddress,
                bytes.count,
                &element
            )
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
}
