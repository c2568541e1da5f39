// SPDX-License-Identifier: Apache-2.0

/// An error type that can say which operation of the kernel failed, and why.
///
/// What talks to the kernel is generic over it, so that a plugin meets one error type however deep the failure was.
public protocol SystemFailure: Error {
    /// Makes the error of an operation, given in words, with the kernel's own sentence if it gave one.
    init(_ errno: Errno, _ operation: String, kernelText: String?)

    /// The error number, if the kernel was the one who refused.
    var errno: Errno? { get }
}

extension SystemFailure {
    /// Makes the error of an operation without a sentence of the kernel.
    public init(_ errno: Errno, _ operation: String) { self.init(errno, operation, kernelText: nil) }

    /// Runs a body whose error is a bare number, and says in words what it was for.
    @discardableResult
    public static func attempt<R: ~Copyable>(
        _ operation: @autoclosure () -> String,
        _ body: () throws(Errno) -> R
    ) throws(Self) -> R {
        do { return try body() } catch { throw Self(error, operation()) }
    }
}
