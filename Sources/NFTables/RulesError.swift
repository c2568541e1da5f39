// SPDX-License-Identifier: Apache-2.0

import Linux

/// A transaction that libnftables or the kernel refused, with the sentence that came.
public struct RulesError: SystemFailure, Sendable {
    /// What was asked for, in words: "guard veth1a2b3c4d5e6".
    public let operation: String
    /// What kind of refusal it was.
    public let errno: Errno?
    /// The sentence of libnftables with the command that it is about.
    public let text: String

    /// Makes the error of a transaction.
    public init(_ errno: Errno, _ operation: String, kernelText: String?) {
        self.operation = operation
        self.errno = errno
        text = kernelText ?? errno.description
    }
}
