// SPDX-License-Identifier: Apache-2.0

import Linux
import Support

/// A network namespace from which packets come and to which they go: the host, what is outside, or a container.
struct Place: Sendable {
    /// The path of the namespace, good in the process of the tests.
    let path: String

    /// Runs a body with the calling thread in the namespace.
    func inside<Value>(_ body: () throws -> Value) throws -> Value {
        let namespace = try NetworkNamespace.open(path)
        var outcome: Result<Value, any Error>?
        try namespace.perform { () throws(SpawnFailure) in outcome = Result { try body() } }
        guard let outcome else { preconditionFailure("the body did not run") }
        return try outcome.get()
    }

    /// What iproute2 says in JSON of the addresses of an interface; empty if there is no such interface.
    func addresses(of interface: String) throws -> String {
        try inside { (try? Programs.run("ip", "-j", "addr", "show", "dev", interface)) ?? "" }
    }
}
