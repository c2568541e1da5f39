// SPDX-License-Identifier: Apache-2.0

import CNI
import Linux

/// The namespaces of a private host beside others; they live and end with the process.
final class HostNamespaces {
    /// Its interfaces, addresses and routes.
    let network: NetworkNamespace
    private let mounts: MountNamespace

    private init(network: consuming NetworkNamespace, mounts: consuming MountNamespace) {
        self.network = network
        self.mounts = mounts
    }

    /// Makes a host on which some directories are empty, and stays where the process is.
    static func make(covering directories: [String]) throws(CNIError) -> HostNamespaces {
        let home = try present()
        return try home.perform { () throws(CNIError) in
            try PrivateHost.leaveHost(covering: directories)
            return try present()
        }
    }

    private static func present() throws(CNIError) -> HostNamespaces {
        try CNIError.attempt("open the present namespaces") { () throws(Errno) in
            HostNamespaces(network: try .current(), mounts: try .current())
        }
    }

    /// Runs a body on this host: with its interfaces, and with its files.
    func perform<R: ~Copyable, E: SystemFailure>(_ body: () throws(E) -> R) throws(E) -> R {
        try mounts.perform { () throws(E) in try network.perform(body) }
    }
}
