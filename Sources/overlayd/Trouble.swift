// SPDX-License-Identifier: Apache-2.0

import CNI
import Etcd
import JSON
import Linux

/// Why something could not be done, whoever was to do it.
struct Trouble: Error {
    /// What it takes to go on.
    enum Kind {
        /// Somebody who changes the configuration of this host.
        case configuration
        /// Time, or somebody who changes something elsewhere.
        case passing
        /// The process is to end.
        case ends
    }

    let kind: Kind
    let description: String

    init(_ kind: Kind, _ description: String) { (self.kind, self.description) = (kind, description) }

    init(_ error: EtcdError) { self.init(error.kind == .interrupted ? .ends : .passing, "etcd: \(error.description)") }

    init(_ error: CNIError) { self.init(.passing, error.description) }

    /// What is in the registry may be corrected there.
    init(registry error: ConfigError) { self.init(.passing, "etcd: \(error.description)") }

    /// Runs a body that asks the registry.
    static func registry<R>(_ body: () throws(EtcdError) -> R) throws(Trouble) -> R {
        do { return try body() } catch { throw Trouble(error) }
    }

    /// Runs a body that asks the kernel.
    static func host<R>(_ body: () throws(CNIError) -> R) throws(Trouble) -> R {
        do { return try body() } catch { throw Trouble(error) }
    }
}
