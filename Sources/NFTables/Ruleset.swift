// SPDX-License-Identifier: Apache-2.0

import CLibNFTables
import JSON
import Linux

/// The packet filter of one namespace, through libnftables.
///
/// The library is loaded when the first one is opened. It belongs to the namespace of the thread that opened it. After a
/// deletion, closing takes about 15 ms, because the kernel waits until no packet uses what was deleted; so who deletes
/// other things as well closes last.
@safe public struct Ruleset<Failure: SystemFailure>: ~Copyable {
    private let context: OpaquePointer
    // How often a transaction is tried that the kernel puts off because another one came first.
    private static var attempts: Int { 5 }

    /// Loads the library and opens a context in the namespace of the calling thread.
    ///
    /// - Throws: EOPNOTSUPP where the library or the kernel's part of it is missing.
    public static func open() throws(Failure) -> Ruleset {
        var errno: CInt = 0
        var problem: UnsafePointer<CChar>?
        guard let context = unsafe clibnftables_open(&errno, &problem) else {
            let text = unsafe problem.map { unsafe String(cString: $0) }
            throw Failure(Errno(errno), "use the packet filter", kernelText: text)
        }
        return unsafe Ruleset(context: context)
    }

    private init(context: OpaquePointer) { unsafe self.context = unsafe context }

    deinit { unsafe clibnftables_close(context) }

    /// Closes the context, and waits for what was deleted.
    public consuming func close() {}

    /// Runs a transaction: all of it happens, or nothing.
    ///
    /// - Throws: ENOENT, EEXIST or EBUSY if something is missing, is there already, or is in use; EAGAIN if the kernel put it
    ///   off again and again; else EPERM, EOPNOTSUPP or EINVAL.
    @inline(never)
    public mutating func run(_ transaction: Transaction) throws(Failure) {
        _ = try run(transaction.text, transaction.operation)
    }

    /// Asks whether a transaction would succeed, and changes nothing.
    public mutating func check(_ transaction: Transaction) throws(Failure) {
        _ = try run(transaction.text, transaction.operation, dry: true)
    }

    /// What is in a table or, with an object, in that part of it; nothing if it doesn't exist.
    public mutating func list(_ table: Table, _ object: Object = .table) throws(Failure) -> Listing? {
        let command = "list " + table.place(of: object)
        let output: [UInt8]
        do { output = try run(command, command, json: true) } catch {
            if error.errno == .noSuchFile { return nil }
            throw error
        }
        do { return Listing(try JSON.parse(output)) } catch {
            throw Failure(.inputOutput, command, kernelText: error.description)
        }
    }

    private mutating func run(
        _ commands: String,
        _ operation: String,
        json: Bool = false,
        dry: Bool = false
    ) throws(Failure) -> [UInt8] {
        var attempt = 1
        while true {
            let answer = unsafe clibnftables_run(context, commands, json, dry)
            let output = unsafe String(cString: answer.succeeded ? answer.output : answer.error)
            Trace.step("nftables \(operation):\n\(commands)\(json ? "" : output)")
            if unsafe answer.succeeded { return Array(output.utf8) }
            let refusal = Refusal(output)
            guard refusal.errno == .wouldBlock, attempt < Self.attempts else {
                throw Failure(refusal.errno, operation, kernelText: refusal.text)
            }
            attempt += 1
        }
    }
}
