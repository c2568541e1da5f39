// SPDX-License-Identifier: Apache-2.0

/// Why the registry did not do what it was asked for.
public struct EtcdError: Error, Sendable {
    /// What kind of failure it is.
    public enum Kind: Sendable {
        /// No member answers, or none that has a leader.
        case unreachable
        /// User, password or right is missing.
        case denied
        /// The lease or the user does not exist.
        case notFound
        /// The history is gone from which a watch was to start.
        case compacted
        /// The watch ended.
        case ended
        /// The process was told to end.
        case interrupted
        /// The request is refused.
        case refused
    }

    /// What kind of failure it is.
    public let kind: Kind
    /// What was asked of whom, and what the registry said.
    public let description: String

    /// Makes a failure.
    public init(_ kind: Kind, _ description: String) { (self.kind, self.description) = (kind, description) }

    /// Makes the failure that an answer tells of: the numbers are those of gRPC.
    init(status: Int, code: Int64, _ description: String) {
        switch (code, status) {
        case (5, _): self.init(.notFound, description)
        case (11, _): self.init(.compacted, description)
        case (7, _), (16, _), (_, 401), (_, 403): self.init(.denied, description)
        case (14, _), (4, _), (_, 502...504): self.init(.unreachable, description)
        default: self.init(.refused, description)
        }
    }
}
