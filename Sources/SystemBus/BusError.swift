// SPDX-License-Identifier: Apache-2.0

import Linux

/// A call over D-Bus that failed, with the name and the sentence of the error that came back.
public struct BusError: SystemFailure, Equatable {
    /// What was asked for, in words: "add the source 10.1.0.2/32 to the zone trusted".
    public let operation: String
    /// The error number, which is a guess where the other side refused.
    public let errno: Errno?
    /// The name of the error, such as org.freedesktop.DBus.Error.ServiceUnknown; empty if nobody answered.
    public let name: String
    /// What the other side said, or the sentence of the error number.
    public let text: String

    /// Makes the error of an operation that nobody answered.
    public init(_ errno: Errno, _ operation: String, kernelText: String?) {
        self.init(errno, operation, name: "", text: kernelText ?? "")
    }

    /// Makes the error of an operation that was refused.
    public init(_ errno: Errno, _ operation: String, name: String, text: String) {
        (self.errno, self.operation, self.name) = (errno, operation, name)
        self.text = text.isEmpty ? errno.description : text
    }

    /// One line with the operation, the name of the error and its sentence.
    public var description: String { "cannot \(operation): \(sentence)" }

    /// The name of the error and its sentence.
    public var sentence: String { name.isEmpty ? text : "\(text) (\(name))" }

    /// Whether nobody has the name that was called.
    public var hasNoAddressee: Bool {
        let kinds = ["NameHasNoOwner", "ServiceUnknown"]
        return kinds.contains { name == "org.freedesktop.DBus.Error.\($0)" }
    }

    /// Whether the sentence begins with a code of firewalld, such as INVALID_ZONE.
    public func isOf(_ code: String) -> Bool { text.begins(with: code) }
}
