// SPDX-License-Identifier: Apache-2.0

import Linux

/// An operation that the kernel refused, with the sentence that it gave.
public struct NetlinkError: SystemFailure, Sendable {
    /// What was asked for, in words: "create veth1a2b3c4d".
    public let operation: String
    /// The error number.
    public let errno: Errno?
    /// The kernel's own explanation, from its extended acknowledgement.
    public let kernelText: String?

    /// Makes the error of an operation.
    public init(_ errno: Errno, _ operation: String, kernelText: String?) {
        self.operation = operation
        self.errno = errno
        self.kernelText = kernelText
    }

    /// One line with the operation, the error and the kernel's sentence.
    public var description: String {
        let cause = "cannot \(operation): \(errno?.description ?? "")"
        return kernelText.map { "\(cause) (kernel: \($0))" } ?? cause
    }
}
