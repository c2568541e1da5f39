// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// Debian's etcd with one or three members, on the underlay of a lab, and what an operator types to change it.
final class Registry {
    /// What the keys of the network begin with.
    static let prefix = "/coreos.com/network"

    private let wire: ContainerNamespace
    private let directory: TemporaryDirectory
    private let arguments: [[String]]
    private var processes: [RunningProcess?]
    private let credentials: [String]
    let endpoints: [String]

    /// Describes members at 192.168.9.101 and so on, and starts them with options of etcd.
    init(
        on wire: ContainerNamespace,
        members: Int = 1,
        certificates: Certificates? = nil,
        options: [String] = []
    ) throws {
        self.wire = wire
        directory = try TemporaryDirectory()
        let scheme = certificates == nil ? "http" : "https"
        let addresses = (1...members).map { "192.168.9.\(100 + $0)" }
        for address in addresses { try Self.run("ip", ["address", "add", "\(address)/24", "dev", "br0"], in: wire) }
        endpoints = addresses.map { "\(scheme)://\($0):2379" }
        let cluster = addresses.enumerated().map { "m\($0)=http://\($1):2380" }.joined(separator: ",")
        var arguments: [[String]] = []
        for (index, address) in addresses.enumerated() {
            arguments.append([
                "--name", "m\(index)", "--data-dir", directory.path("m\(index)"), "--initial-cluster", cluster,
                "--listen-peer-urls", "http://\(address):2380", "--initial-advertise-peer-urls",
                "http://\(address):2380",
                "--listen-client-urls", endpoints[index], "--advertise-client-urls", endpoints[index],
                "--logger", "zap", "--log-outputs", directory.path("m\(index).log"),
            ])
            arguments[index] += options + (certificates?.server ?? [])
        }
        self.arguments = arguments
        credentials = certificates.map { ["--cacert", $0.authority] } ?? []
        processes = members == 1 ? [nil] : [nil, nil, nil]
        for member in 0..<members { try start(member) }
        try type(["get", "ready"], untilItWorks: true)
    }

    deinit { for member in processes.indices { kill(member) } }

    /// Starts a member that does not run.
    func start(_ member: Int) throws {
        let process = PluginProcess(Programs.path("etcd") ?? "etcd", arguments: arguments[member])
        processes[member] = try wire.inside { try process.start() }
    }

    /// Ends a member as a failure of its machine does.
    func kill(_ member: Int) {
        processes[member]?.send(SIGKILL)
        _ = try? processes[member]?.finish()
        processes[member] = nil
    }

    /// Stops a member without ending it, or lets it go on.
    func pause(_ member: Int, _ isPaused: Bool = true) { processes[member]?.send(isPaused ? SIGSTOP : SIGCONT) }

    /// Makes a network of a configuration.
    func configure(_ json: String) throws { try put("config", json) }

    func put(_ key: String, _ value: String, lease: String? = nil) throws {
        try type(["put", "\(Self.prefix)/\(key)", value] + (lease.map { ["--lease", $0] } ?? []), untilItWorks: true)
    }

    /// Sets a key at a member that is known to be well.
    func put(_ key: String, _ value: String, at member: Int) throws {
        try type(["put", "\(Self.prefix)/\(key)", value], untilItWorks: true, at: member)
    }

    /// Whether a member is the leader of all.
    func leads(_ member: Int) throws -> Bool {
        let text = try type(["endpoint", "status", "-w", "json"], untilItWorks: true, at: member)
        let json = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]]
        let status = json?.first?["Status"] as? [String: Any]
        let own = (status?["header"] as? [String: Any])?["member_id"] as? NSNumber
        return own != nil && status?["leader"] as? NSNumber == own
    }

    func delete(_ key: String) throws { try type(["del", "\(Self.prefix)/\(key)"], untilItWorks: true) }

    /// The keys of hosts with their values.
    func hosts() throws -> [String: String] {
        let text = try type(["get", "--prefix", "\(Self.prefix)/subnets/"], untilItWorks: true)
        let lines = text.split(separator: "\n").map { String($0) }
        var hosts: [String: String] = [:]
        for index in stride(from: 0, to: lines.count - 1, by: 2) {
            hosts[String(lines[index].split(separator: "/").last ?? "")] = lines[index + 1]
        }
        return hosts
    }

    /// The key of the host with an address.
    func key(of address: String) throws -> String? {
        try hosts().first { $0.value.contains("\"PublicIP\":\"\(address)\"") }?.key
    }

    /// The number of the lease of a host's key, as etcd prints it; 0 without one.
    func lease(of key: String) throws -> Int64 { try number("lease", of: key) ?? 0 }

    /// The revision at which a host's key came.
    func creation(of key: String) throws -> Int64? { try number("create_revision", of: key) }

    /// How often a host's key was set since it came.
    func settings(of key: String) throws -> Int64? { try number("version", of: key) }

    private func number(_ member: String, of key: String) throws -> Int64? {
        let text = try type(["get", "\(Self.prefix)/subnets/\(key)", "-w", "json"], untilItWorks: true)
        let json = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        let first = (json?["kvs"] as? [[String: Any]])?.first
        return (first?[member] as? NSNumber)?.int64Value
    }

    /// What Flannel's daemon writes of a host.
    static func value(_ address: String, mac: String, vni: Int = 1) -> String {
        #"{"PublicIP":"\#(address)","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":\#(vni),"VtepMAC":"\#(mac)"}}"#
    }

    /// Registers hosts 10.5.200.0/24, 10.5.201.0/24 and so on in transactions.
    func putHosts(_ range: Range<Int>) throws {
        for start in stride(from: range.lowerBound, to: range.upperBound, by: 100) {
            var text = "\n"
            for number in start..<min(start + 100, range.upperBound) {
                let (high, low) = (number / 256, number % 256)
                let digits = String(format: "%02x:%02x", high, low)
                let value = Self.value("172.16.\(high).\(low)", mac: "02:aa:00:00:\(digits)")
                text += "put \(Self.prefix)/subnets/10.\(64 + high).\(low).0-24 \(value)\n"
            }
            try type(["txn"], input: text + "\n\n", untilItWorks: true)
        }
    }

    /// Runs etcdctl, which must succeed; again and again if that is wanted, because without a leader, or while the machine's disk
    /// is busy, etcd answers late or not at all.
    @discardableResult
    func type(
        _ words: [String],
        input: String = "",
        untilItWorks: Bool = false,
        at member: Int? = nil
    ) throws -> String {
        var text = ""
        _ = try eventually(untilItWorks ? 60 : 0) {
            text = try typeOnce(words, input, member.map { [endpoints[$0]] } ?? endpoints)
            return true
        }
        return text
    }

    private func typeOnce(_ words: [String], _ input: String, _ endpoints: [String]) throws -> String {
        var process = PluginProcess(
            Programs.path("etcdctl") ?? "etcdctl",
            arguments: ["--endpoints", endpoints.joined(separator: ","), "--command-timeout", "10s"] + credentials
                + words
        )
        process.environment = ["ETCDCTL_API": "3"]
        process.input = .bytes(Array(input.utf8))
        let outcome = try process.run(in: wire.namespace)
        if outcome.exitCode != 0 { throw ProgramTrouble(description: "\(words): \(outcome.stderrText)") }
        return outcome.stdoutText
    }

    /// Runs a program in a namespace, which must succeed.
    @discardableResult
    static func run(_ name: String, _ arguments: [String], in space: ContainerNamespace) throws -> String {
        let outcome = try PluginProcess(Programs.path(name) ?? name, arguments: arguments).run(in: space.namespace)
        if outcome.exitCode != 0 { throw ProgramTrouble(description: "\(name) \(arguments): \(outcome.stderrText)") }
        return outcome.stdoutText
    }
}

/// A program that ended with an error.
struct ProgramTrouble: Error, CustomStringConvertible {
    let description: String
}
