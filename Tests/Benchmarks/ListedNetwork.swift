// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A network of the plugin vxlan on a host of its own, where a file lists the other hosts.
final class ListedNetwork: Attaching {
    private let suite: Suite
    private let name: String
    private let host: String
    private var file = ""

    /// Makes the host, on an underlay that leads nowhere.
    init(_ suite: Suite, on name: String, _ namespaces: Namespaces) throws {
        (self.suite, self.name) = (suite, name)
        host = try namespaces.host(name)
        for line in [
            "link add eth0 type veth peer name wire", "link set wire up", "link set eth0 up",
            "address add 192.168.9.1/24 dev eth0",
        ] {
            try Call.tool(["ip", "-n", name] + line.split(separator: " ").map { String($0) }, output: nil)
        }
    }

    deinit { try? Call.tool(["ip", "netns", "delete", name], output: nil) }

    /// Lists so many other hosts, and of these all but one if a change is wanted.
    func list(_ count: Int, besides missing: Int? = nil) throws {
        let others = (0..<count).filter { $0 != missing }.map { number in
            [
                "publicIP": "172.16.\(number / 256).\(number % 256)",
                "subnet": "10.\(64 + number / 256).\(number % 256).0/24",
            ]
        }
        file = try Suite.write(
            name,
            [
                "cniVersion": "1.0.0", "name": name, "type": "vxlan", "network": "10.0.0.0/8",
                "peers": others + [["publicIP": "192.168.9.1", "subnet": "10.7.0.0/24"]],
                "ipam": ["type": "host-local", "dataDir": "\(Isolation.scratch)/leases"],
            ]
        )
    }

    /// Forgets all that leads to the others.
    func clear() throws { try Call.tool(["ip", "-n", name, "link", "delete", "vxlan.1"], output: nil) }

    /// Compares the list with the kernel once, and returns what that took.
    func reconcile() throws -> Call.Cost { try onHost { try self.call.cost() } }

    /// Does the same, and returns the most memory that it took in KiB.
    func reconcileMemory(_ runner: Runner) throws -> Double { try onHost { try runner.peakMemory(of: self.call) } }

    private var call: Call { Call(program: suite.path(of: "vxlan"), arguments: ["reconcile", file]) }

    func add(_ container: Container) throws -> Double {
        try onHost { try self.suite.call("vxlan", "ADD", for: container, input: self.file).run() }
    }

    func delete(_ container: Container) throws -> Double {
        try onHost { try self.suite.call("vxlan", "DEL", for: container, input: self.file).run() }
    }

    /// Runs a body in the namespace of the host.
    func onHost<R>(_ body: () throws -> R) throws -> R {
        try inNamespace(host) { () throws(Failure) in try Failure.keep(body) }
    }
}
