// SPDX-License-Identifier: Apache-2.0

import JSON
import Linux

/// A failure in the form that runtimes read: a code, a short message, and details with the way out.
public struct CNIError: SystemFailure, Sendable {
    /// The number that tells kinds of failure apart.
    public let code: Int
    /// What failed, in a few words.
    public let message: String
    /// The object, the numbers, the kernel's sentence and the way out; may be empty.
    public let details: String
    /// The error number, if the kernel was the one who refused.
    public let errno: Errno?

    /// Makes a failure of a kind.
    public init(_ kind: Kind, _ message: String, _ details: String = "") {
        self.init(code: kind.rawValue, message: message, details: details)
    }

    /// Makes a failure with the code of somebody else, whose error is passed on unchanged.
    public init(code: Int, message: String, details: String) {
        self.code = code
        self.message = message
        self.details = details
        errno = nil
    }

    /// Makes the failure of an operation of the kernel.
    public init(_ errno: Errno, _ operation: String, kernelText: String?) {
        let passes: [Errno] = [.interrupted, .wouldBlock, .busy, .timedOut]
        code = (passes.contains(errno) ? Kind.tryAgain : .kernel).rawValue
        message = "cannot \(operation)"
        details = kernelText.map { "\(errno.description) (kernel: \($0))" } ?? errno.description
        self.errno = errno
    }

    /// Makes the failure of reading or writing a file.
    public static func inputOutput(_ errno: Errno, _ operation: String) -> CNIError {
        CNIError(.inputOutput, "cannot \(operation)", errno.description)
    }

    /// Makes the failure of a configuration, with the place in it.
    public static func configuration(_ error: ConfigError) -> CNIError {
        CNIError(.invalidConfiguration, "invalid network config", error.description)
    }

    /// What runtimes and logs show.
    public var description: String { details.isEmpty ? message : "\(message): \(details)" }

    /// The error document.
    public func json(version: String) -> JSON {
        var object = JSONObject([
            .init("cniVersion", .string(version)), .init("code", .int(code)), .init("msg", .string(message)),
        ])
        if !details.isEmpty { object.append("details", .string(details)) }
        return .object(object)
    }
}

extension CNIError {
    /// The kinds of failure with their codes.
    ///
    /// Below 100 the specification decides (section "Error"; 8 is the reference library's). From 100 up they are ours and
    /// stable; the README has the table.
    public enum Kind: Int, Sendable {
        /// The version of the configuration is not supported.
        case incompatibleVersion = 1
        /// A key of the configuration has a value that is not supported.
        case unsupportedField = 2
        /// An environment variable is missing or wrong.
        case invalidEnvironment = 4
        /// Reading or writing a file failed.
        case inputOutput = 5
        /// Something is not JSON, or not of the right shape.
        case decoding = 6
        /// The configuration is wrong.
        case invalidConfiguration = 7
        /// The network namespace cannot be used.
        case invalidNamespace = 8
        /// A lock was not to be had in time, or the process was told to end: the same call may succeed later.
        case tryAgain = 11
        /// STATUS: new containers cannot be served.
        case notReady = 50
        /// STATUS: the same, and containers that are there may not reach all that they should.
        case limited = 51
        /// The kernel refused an operation.
        case kernel = 100
        /// All addresses of a range set are taken.
        case poolExhausted = 101
        /// An interface of the name exists.
        case interfaceExists = 102
        /// A requested address cannot be had.
        case addressUnavailable = 103
        /// The packet filter refused the rules.
        case rules = 104
        /// CHECK found something missing or changed.
        case drifted = 105
        /// A delegated plugin is missing or ended without an answer.
        case delegate = 106
        /// The attachment has an address already.
        case duplicateAllocation = 107
        /// A host port is taken by another attachment.
        case portTaken = 108
        /// The plugin crashed, which is a bug; the document comes from the last resort in C.
        case crashed = 199
    }
}
