// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Support
import Testing

/// The host of one test: the network namespace that the test runs in, and an address store in a temporary folder.
final class Host: Sendable {
    let directory: TemporaryDirectory
    /// The data directory of host-local.
    var dataDir: String { directory.path("networks") }

    /// Makes a host; IPv6 addresses on it are not announced first, so that nothing changes by itself.
    init() throws {
        directory = try TemporaryDirectory()
        for name in ["default", "all"] {
            try "0".write(toFile: "/proc/sys/net/ipv6/conf/\(name)/accept_dad", atomically: false, encoding: .ascii)
        }
    }

    /// The part `ipam` of a configuration, with a range set for each subnet.
    func ipam(_ subnets: String..., with more: [String: Value?] = [:]) -> Value {
        let subnets = subnets.isEmpty ? ["10.1.0.0/24"] : subnets
        let ranges = Value.array(subnets.map { [["subnet": .string($0)]] })
        return Value.object(["type": "host-local", "dataDir": .string(dataDir), "ranges": ranges]).with(more)
    }

    /// The configuration of a network for a plugin, with one IPv4 range unless it says something else.
    func network(_ plugin: String, _ version: String = "1.1.0", with more: [String: Value?] = [:]) -> Value {
        var network: Value = ["cniVersion": .string(version), "name": "lan", "type": .string(plugin)]
        if plugin == "bridge" { network["bridge"] = "br0" }
        if Self.keepsLeases(plugin) { network["ipam"] = ipam() }
        if plugin == "tuning" { network["prevResult"] = Self.previousResult(version) }
        return network.with(more)
    }

    /// Whether a plugin gives out addresses, itself or by host-local.
    static func keepsLeases(_ plugin: String) -> Bool { !["loopback", "tuning"].contains(plugin) }

    /// The result of a plugin before, for those that are chained behind one.
    private static func previousResult(_ version: String) -> Value {
        if version < "0.3.0" { return ["cniVersion": .string(version), "ip4": ["ip": "10.1.0.2/24"]] }
        let family: [String: Value?] = version < "1.0.0" ? ["version": "4"] : [:]
        let address: Value = ["address": "10.1.0.2/24"]
        return ["cniVersion": .string(version), "ips": [address.with(family)]]
    }

    /// A network on a bridge with an IPv4 and an IPv6 range and all that a gateway needs.
    func dualStack(_ version: String = "1.1.0", with more: [String: Value?] = [:]) -> Value {
        network(
            "bridge",
            version,
            with: [
                "isDefaultGateway": true, "ipam": ipam("10.1.0.0/24", "fd00:1::/64"),
            ]
        ).with(more)
    }

    /// The variables of an attachment.
    func attachment(
        _ container: ContainerNamespace?,
        id: String = "c1",
        interface: String = "eth0"
    ) -> [String: String] {
        ["CNI_CONTAINERID": id, "CNI_NETNS": container?.path ?? "", "CNI_IFNAME": interface]
    }

    /// A call for a container.
    func call(
        _ command: String,
        _ configuration: Value,
        in container: ContainerNamespace? = nil,
        id: String = "c1",
        interface: String = "eth0"
    ) -> Call {
        let needsAttachment = ["ADD", "CHECK", "DEL"].contains(command)
        return Call(
            configuration["type"]?.string ?? "",
            command,
            configuration,
            environment: needsAttachment ? attachment(container, id: id, interface: interface) : [:]
        )
    }

    /// Attaches a container, which must succeed, and returns the result.
    @discardableResult
    func add(
        _ configuration: Value,
        in container: ContainerNamespace,
        id: String = "c1",
        interface: String = "eth0",
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Value {
        try call("ADD", configuration, in: container, id: id, interface: interface)
            .run(sourceLocation: sourceLocation).succeeded(sourceLocation: sourceLocation).result
    }

    /// The leases in the address store: the holder of each by `<network>/<address>`.
    func leases() throws -> [String: String] {
        guard FileManager.default.fileExists(atPath: dataDir) else { return [:] }
        var leases: [String: String] = [:]
        for path in try FileManager.default.subpathsOfDirectory(atPath: dataDir) {
            let parts = path.split(separator: "/")
            guard parts.count == 2, !path.hasPrefix("."), let name = parts.last, name != "lock",
                !name.hasPrefix("last_reserved_ip.")
            else {
                continue
            }
            leases[path] = try String(contentsOfFile: "\(dataDir)/\(path)", encoding: .utf8)
        }
        return leases
    }

    /// The whole state that an operation may change: this namespace, those of containers, and the leases.
    ///
    /// The kernel goes on by itself for a while after a link changed, so the state is waited for until it is quiet.
    func state(_ containers: ContainerNamespace...) throws -> HostSnapshot { try quietState(containers) }

    private func quietState(_ containers: [ContainerNamespace]) throws -> HostSnapshot {
        var last = try HostSnapshot(self, containers)
        if last.isTrivial { return last }
        let isQuiet = try eventually {
            usleep(100_000)
            let next = try HostSnapshot(self, containers)
            defer { last = next }
            return next == last && !next.isTentative
        }
        try #require(isQuiet, "the kernel goes on and on: \(last.host)")
        return last
    }

    /// Expects that nothing differs from an earlier state, as soon as the kernel is quiet.
    func expectUnchanged(
        since before: HostSnapshot,
        _ containers: ContainerNamespace...,
        comment: Comment? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        var after = try HostSnapshot(self, containers)
        if after != before {
            _ = try eventually {
                usleep(100_000)
                after = try HostSnapshot(self, containers)
                return after == before
            }
        }
        let difference = after.difference(from: before)
        #expect(difference == "", comment, sourceLocation: sourceLocation)
        #expect(after.leases == before.leases, comment, sourceLocation: sourceLocation)
    }
}

/// The state of a host, of containers and of the address store at one moment.
struct HostSnapshot: Equatable {
    let host: HostState
    let containers: [HostState]
    let leases: [String: String]

    fileprivate init(_ host: Host, _ containers: [ContainerNamespace]) throws {
        self.host = try HostState()
        self.containers = try containers.map { try HostState(of: $0) }
        leases = try host.leases()
    }

    private var links: String { ([host] + containers).map { $0.sections["addresses"] ?? "" }.joined() }
    /// Whether there is nothing but loopback interfaces.
    fileprivate var isTrivial: Bool { !links.contains("link/ether") && !links.contains("\"ether\"") }
    /// Whether an address is still being announced.
    fileprivate var isTentative: Bool { links.contains("\"tentative\"") }

    /// What differs from an earlier state, but for the leases; empty if nothing.
    func difference(from earlier: HostSnapshot) -> String {
        var text = host.difference(from: earlier.host).description
        for (new, old) in zip(containers, earlier.containers) { text += new.difference(from: old).description }
        return text
    }
}
