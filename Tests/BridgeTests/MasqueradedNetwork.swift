// SPDX-License-Identifier: Apache-2.0

import Support

/// A network with several ranges of both families whose containers are masqueraded, on a host with another one on its wire.
final class MasqueradedNetwork {
    /// Where the rules are kept; nothing if the configuration doesn't say.
    enum Backend: String, CaseIterable, Sendable { case nftables, iptables }

    let wire: Wire
    private let directory: TemporaryDirectory
    private let backend: Backend?

    /// Makes the network; its bridge comes with the first container.
    init(_ backend: Backend?) throws {
        (wire, directory, self.backend) = (try Wire(), try TemporaryDirectory(), backend)
    }

    /// The addresses of a container, of which the first one has the number 0.
    static func addresses(_ number: Int) -> [String] {
        ["10.88.0.\(number + 2)", "10.99.0.\(number + 2)", "fd88::\(number + 2)", "fd99::\(number + 2)"]
    }

    /// The members of the configuration that have to do with the rules.
    var keys: String {
        #","ipMasq":true"# + (backend.map { #","ipMasqBackend":"\#($0.rawValue)""# } ?? "")
    }

    /// Calls of the bridge plugin, with the given keys in place of those that have to do with the rules.
    func bridge(_ name: String = "lan", _ keys: String? = nil, subnets: [String]? = nil) -> PluginCall {
        let subnets = subnets ?? ["10.88.0.0/24", "10.99.0.0/16", "fd88::/64", "fd99::/48"]
        let ranges = subnets.map { #"[{"subnet":"\#($0)"}]"# }.joined(separator: ",")
        let members = """
            ,"bridge":"\(name == "lan" ? "br0" : "br-\(name)")","isDefaultGateway":true,\
            "ipam":{"type":"host-local","dataDir":"\(directory.path)","ranges":[\(ranges)]}\(keys ?? self.keys)
            """
        return PluginCall("bridge", members).with { $0.network = name }
    }

    /// Forgets all leases, as after a container that died with its runtime.
    func forgetLeases() throws { try Programs.run("rm", "-r", directory.path("lan")) }
}
