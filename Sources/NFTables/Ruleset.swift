// SPDX-License-Identifier: Apache-2.0

import CLibNFTables
import Linux

/// The packet filter of one namespace, through libnftables.
///
/// The library is loaded when the first one is opened. It belongs to the namespace of the thread that opened it.
@safe @frozen public struct Ruleset<Failure: SystemFailure>: ~Copyable {
    private let context: OpaquePointer
    // How often a transaction is tried that the kernel puts off because another one came first.
    private static var attempts: Int { 5 }

    /// Loads the library and opens a context in the namespace of the calling thread.
    ///
    /// - Throws: EOPNOTSUPP where the library or the kernel's part of it is missing.
    public static func open() throws(Failure) -> Ruleset {
        var number: CInt = 0
        var problem: UnsafePointer<CChar>?
        if let context = unsafe clibnftables_open(&number, &problem) { return unsafe Ruleset(context: context) }
        let text = unsafe problem.map { unsafe String(cString: $0) }
        throw Failure(Errno(number), "use libnftables, in Debian the package libnftables1", kernelText: text)
    }

    private init(context: OpaquePointer) { unsafe self.context = unsafe context }

    deinit { unsafe clibnftables_close(context) }

    /// Runs a transaction: all of it happens, or nothing.
    ///
    /// - Throws: ENOENT, EEXIST or EBUSY if something is missing, is there already, or is in use; EAGAIN if the kernel put it
    ///   off again and again; else EPERM, EOPNOTSUPP or EINVAL.
    public mutating func run(_ transaction: Transaction) throws(Failure) {
        _ = try run(transaction.text, transaction.operation)
    }

    /// Asks whether a transaction would succeed, and changes nothing.
    public mutating func check(_ transaction: Transaction) throws(Failure) {
        _ = try run(transaction.text, transaction.operation, dry: true)
    }

    /// What is in a table or, with an object, in that part of it; nothing if it doesn't exist.
    @inline(never)
    public mutating func list(_ table: Table, _ object: Object = .table) throws(Failure) -> Listing? {
        let command = table.command("list ", object)
        do { return Listing(Array(try run(command, command).utf8)) } catch {
            if error.errno == .noSuchFile { return nil }
            throw error
        }
    }

    @inline(never)
    private mutating func run(
        _ commands: String,
        _ operation: String,
        dry: Bool = false
    ) throws(Failure) -> String {
        var attempt = 1
        while true {
            let answer = unsafe clibnftables_run(context, commands, dry)
            let text = unsafe String(cString: answer.text)
            Trace.step(joined("nftables ", operation, ":\n", commands, text))
            let errno = unsafe Errno(answer.error)
            if errno == Errno(0) { return text }
            if errno != .wouldBlock || attempt == Self.attempts { throw Failure(errno, operation, kernelText: text) }
            attempt += 1
        }
    }
}
