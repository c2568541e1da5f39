// SPDX-License-Identifier: Apache-2.0

import CSystemBus
import Linux

/// A connection to the system bus, through libsystemd, which is loaded when the first one is opened.
@safe public struct SystemBus: ~Copyable {
    /// A method of an object, by the names that D-Bus has for it.
    public struct Method: Sendable {
        /// Who is called.
        public let destination: String
        /// The object.
        public let path: String
        /// The interface that has the method.
        public let interface: String
        /// The name of the method.
        public let member: String

        /// Names a method.
        public init(_ member: String, of interface: String, at path: String, destination: String) {
            (self.member, self.interface, self.path) = (member, interface, path)
            self.destination = destination
        }
    }

    private let bus: OpaquePointer

    /// How long a host waits for its bus to greet back, and to say who is there.
    public static var greetingLimitMilliseconds: Int { 2000 }

    /// Connects to the bus.
    ///
    /// - Throws: EOPNOTSUPP where the library is missing, ETIMEDOUT if the bus doesn't greet back.
    public static func open() throws(BusError) -> SystemBus {
        var number: CInt = 0
        var problem: UnsafePointer<CChar>?
        let limit = CInt(greetingLimitMilliseconds)
        if let bus = unsafe csystembus_open(limit, &number, &problem) { return unsafe SystemBus(bus: bus) }
        let text = unsafe problem.map { unsafe String(cString: $0) }
        let isMissing = Errno(number) == .notSupported
        let operation = isMissing ? "use libsystemd, in Debian the package libsystemd0" : "connect to the system bus"
        throw BusError(Errno(number), operation, kernelText: text)
    }

    private init(bus: OpaquePointer) { unsafe self.bus = unsafe bus }

    deinit { unsafe csystembus_close(bus) }

    /// Whether there can be a bus: its socket is there, or its address is of another kind.
    ///
    /// Looked at before anything is loaded, because most hosts of containers have none.
    public static func mayExist(_ environment: Environment = .current()) -> Bool {
        let given = environment["DBUS_SYSTEM_BUS_ADDRESS"] ?? ""
        let address = given.isEmpty ? "unix:path=/run/dbus/system_bus_socket" : given
        let prefix = Array("unix:path=".utf8)
        for alternative in address.utf8.split(separator: UInt8(ascii: ";")) {
            guard alternative.starts(with: prefix), !alternative.contains(UInt8(ascii: "%")) else { return true }
            let path = alternative.dropFirst(prefix.count).prefix { $0 != UInt8(ascii: ",") }
            if (try? FileStatus.of(String(decoding: Array(path), as: UTF8.self))) != nil { return true }
        }
        return false
    }

    /// Whether somebody has a name on the bus; nobody is started by the question.
    public mutating func hasOwner(_ name: String) throws(BusError) -> Bool {
        let method = Method(
            "NameHasOwner",
            of: "org.freedesktop.DBus",
            at: "/org/freedesktop/DBus",
            destination: "org.freedesktop.DBus"
        )
        return try call(
            method,
            name,
            limitMilliseconds: Self.greetingLimitMilliseconds,
            "ask whether \(name) runs"
        )
    }

    /// Calls a method with one text or two.
    ///
    /// - Returns: Whether it answered with a boolean that is true.
    @discardableResult
    public mutating func call(
        _ method: Method,
        _ first: String,
        _ second: String? = nil,
        limitMilliseconds: Int,
        _ operation: String
    ) throws(BusError) -> Bool {
        let answer = unsafe Self.withNames(method) { native in
            guard let second else { return unsafe csystembus_call(bus, native, first, nil, CInt(limitMilliseconds)) }
            return unsafe csystembus_call(bus, native, first, second, CInt(limitMilliseconds))
        }
        let errno = unsafe Errno(answer.error)
        let (name, text) = unsafe (String(cString: answer.name), String(cString: answer.text))
        let isTrue = unsafe answer.is_true
        Trace.step("D-Bus \(operation): \(errno == Errno(0) ? "\(isTrue)" : "\(name) \(text)")")
        if errno == Errno(0) { return isTrue }
        throw BusError(errno, operation, name: name, text: text)
    }

    /// Lends a method to C.
    @unsafe private static func withNames<R>(
        _ method: Method,
        _ body: (UnsafePointer<csystembus_method>) -> R
    ) -> R {
        unsafe method.destination.withCString { destination in
            unsafe method.path.withCString { path in
                unsafe method.interface.withCString { interface in
                    unsafe method.member.withCString { member in
                        var native = unsafe csystembus_method(
                            destination: destination,
                            path: path,
                            interface: interface,
                            member: member
                        )
                        return unsafe body(&native)
                    }
                }
            }
        }
    }
}
