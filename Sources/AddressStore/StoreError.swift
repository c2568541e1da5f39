// SPDX-License-Identifier: Apache-2.0

import Linux

/// Why the address store could not do what was asked.
public struct StoreError: SystemFailure, Sendable {
    /// The kinds of failure.
    public enum Kind: Sendable {
        /// A file could not be read or written.
        case inputOutput
        /// Somebody else has the lock for too long.
        case busy
        /// All addresses are taken.
        case exhausted
        /// The requested address cannot be had.
        case unavailable
        /// The attachment has an address already.
        case duplicate
    }

    /// The kind of failure.
    public let kind: Kind
    /// What failed, in a few words.
    public let message: String
    /// The numbers and the way out.
    public let details: String
    /// The error number, if the kernel was the one who refused.
    public let errno: Errno?

    /// Makes the failure of a file operation.
    public init(_ errno: Errno, _ operation: String, kernelText: String?) {
        self.errno = errno
        kind = errno == .wouldBlock || errno == .interrupted ? .busy : .inputOutput
        message = "cannot \(operation)"
        details = errno.description
    }

    init(_ kind: Kind, _ message: String, _ details: String) {
        (self.kind, self.message, self.details) = (kind, message, details)
        errno = nil
    }
}
