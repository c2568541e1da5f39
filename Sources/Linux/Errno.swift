// SPDX-License-Identifier: Apache-2.0

import CLinux

/// An error number of the kernel: errno(3).
public struct Errno: Error, Equatable, Sendable {
    /// The positive number.
    public let rawValue: CInt

    /// Wraps a positive error number.
    public init(_ rawValue: CInt) { self.rawValue = rawValue }

    /// The C name, such as ENOENT.
    public var name: String { unsafe String(cString: linux_error_name(rawValue)) }

    /// The name with the sentence of strerror(3).
    public var description: String { unsafe "\(name): \(String(cString: linux_error_text(rawValue)))" }

    /// Operation not permitted: EPERM.
    public static var notPermitted: Errno { Errno(1) }
    /// No such file or directory: ENOENT.
    public static var noSuchFile: Errno { Errno(2) }
    /// Interrupted by a signal: EINTR.
    public static var interrupted: Errno { Errno(4) }
    /// Input or output failed: EIO.
    public static var inputOutput: Errno { Errno(5) }
    /// Bad file descriptor: EBADF.
    public static var badDescriptor: Errno { Errno(9) }
    /// Would block: EAGAIN.
    public static var wouldBlock: Errno { Errno(11) }
    /// Permission denied: EACCES.
    public static var permissionDenied: Errno { Errno(13) }
    /// Device or resource busy: EBUSY.
    public static var busy: Errno { Errno(16) }
    /// File exists: EEXIST.
    public static var fileExists: Errno { Errno(17) }
    /// No such device: ENODEV.
    public static var noSuchDevice: Errno { Errno(19) }
    /// Not a directory: ENOTDIR.
    public static var notDirectory: Errno { Errno(20) }
    /// Invalid argument: EINVAL.
    public static var invalidArgument: Errno { Errno(22) }
    /// Text file busy: ETXTBSY.
    public static var textBusy: Errno { Errno(26) }
    /// Broken pipe: EPIPE.
    public static var brokenPipe: Errno { Errno(32) }
    /// No such process, which routing also says of a missing route: ESRCH.
    public static var noSuchProcess: Errno { Errno(3) }
    /// The protocol is not supported: EPROTONOSUPPORT.
    public static var protocolNotSupported: Errno { Errno(93) }
    /// The operation is not supported: EOPNOTSUPP.
    public static var notSupported: Errno { Errno(95) }
    /// The address is in use: EADDRINUSE.
    public static var addressInUse: Errno { Errno(98) }
    /// The address is not available: EADDRNOTAVAIL.
    public static var addressNotAvailable: Errno { Errno(99) }
    /// Timed out: ETIMEDOUT.
    public static var timedOut: Errno { Errno(110) }
    /// Connection refused: ECONNREFUSED.
    public static var connectionRefused: Errno { Errno(111) }
}

/// Turns a negated error number into an error.
@discardableResult
func check(_ result: CInt) throws(Errno) -> CInt {
    if result < 0 { throw Errno(-result) }
    return result
}

/// Turns a negated error number of a call that counts bytes into an error.
func check(_ result: Int) throws(Errno) -> Int {
    if result < 0 { throw Errno(CInt(-result)) }
    return result
}
