// SPDX-License-Identifier: Apache-2.0

import CNI
import Linux
import NFTables

extension CNIError {
    /// Makes the failure of a transaction, with the sentence of libnftables in the details.
    @inline(never)
    public init(_ error: RulesError) {
        self.init(error.errno == .wouldBlock ? .tryAgain : .rules, "cannot " + error.operation, error.text)
    }

    /// Runs a body whose error is that of the packet filter.
    @inline(never)
    public static func rules<R>(_ body: () throws(RulesError) -> R) throws(CNIError) -> R {
        do { return try body() } catch { throw CNIError(error) }
    }

    /// Runs a body that removes rules; a host that has no packet filter has none to remove.
    @inline(never)
    public static func removingRules(_ body: () throws(RulesError) -> Void) throws(CNIError) {
        do { try body() } catch {
            if error.errno != .notSupported { throw CNIError(error) }
        }
    }
}
