// SPDX-License-Identifier: Apache-2.0

/// Why the registry did not do what it was asked for.
public struct EtcdError: Error, Sendable {
    /// What kind of failure it is.
    public enum Kind: Sendable {
        /// No member answers as etcd does, or none that has a leader or may answer; another one may.
        case unreachable
        /// User, password or right is missing.
        case denied
        /// Nobody is asked who he is.
        case open
        /// The lease or the user does not exist.
        case notFound
        /// The history is gone from which a watch was to start.
        case compacted
        /// The watch ended.
        case ended
        /// The process was told to end.
        case interrupted
        /// The request is refused, as every member would.
        case refused
    }

    /// What kind of failure it is.
    public let kind: Kind
    /// What was asked of whom, and what the registry said.
    public let description: String

    /// Makes a failure.
    public init(_ kind: Kind, _ description: String) { (self.kind, self.description) = (kind, description) }

    /// Makes the failure that an answer tells of: the numbers are those of gRPC, and the text is etcd's own.
    init(status: Int, code: Int64, text: String, at place: String) {
        let description = "\(place): \(text)"
        switch text {
        // A new token cures that, and yet it bears the number of a wrong request: a user or a role was changed since the
        // token was signed, or users were switched on since there was none.
        case "etcdserver: revision of auth store is old", "etcdserver: user name is empty":
            self.init(.denied, description)
            return
        case "etcdserver: authentication is not enabled":
            self.init(.open, description)
            return
        // These bear it too, from etcd 3.5 on, and are about the member that was asked.
        case "etcdserver: rpc not supported for learner", "etcdserver: not capable", "etcdserver: not leader":
            self.init(.unreachable, description)
            return
        default: break
        }
        switch (code, status) {
        case (5, _): self.init(.notFound, description)
        case (11, _): self.init(.compacted, description)
        case (7, _), (16, _), (_, 401), (_, 403): self.init(.denied, description)
        case (3, _), (6, _), (9, _): self.init(.refused, description)
        default: self.init(.unreachable, description)
        }
    }
}
