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

    /// Describes members at 192.168.9.101 and so on, and starts them.
    init(on wire: ContainerNamespace, members: Int = 1, certificates: Certificates? = nil) throws {
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
                "--heartbeat-interval", "50", "--election-timeout", "500",
            ])
            if let certificates { arguments[index] += certificates.server }
        }
        self.arguments = arguments
        credentials = certificates.map { ["--cacert", $0.authority] } ?? []
        processes = members == 1 ? [nil] : [nil, nil, nil]
        for member in 0..<members { try start(member) }
        try #require(eventually(20) { (try? self.type(["get", "ready"])) != nil }, "etcd does not answer")
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
        try type(["put", "\(Self.prefix)/\(key)", value] + (lease.map { ["--lease", $0] } ?? []))
    }

    func delete(_ key: String) throws { try type(["del", "\(Self.prefix)/\(key)"]) }

    /// The keys of hosts with their values.
    func hosts() throws -> [String: String] {
        let lines = try type(["get", "--prefix", "\(Self.prefix)/subnets/"]).split(separator: "\n").map { String($0) }
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
    func lease(of key: String) throws -> Int64 {
        let text = try type(["get", "\(Self.prefix)/subnets/\(key)", "-w", "json"])
        let json = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        let first = (json?["kvs"] as? [[String: Any]])?.first
        return (first?["lease"] as? NSNumber)?.int64Value ?? 0
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
            try type(["txn"], input: text + "\n\n")
        }
    }

    /// Runs etcdctl, which must succeed.
    @discardableResult
    func type(_ words: [String], input: String = "") throws -> String {
        var process = PluginProcess(
            Programs.path("etcdctl") ?? "etcdctl",
            arguments: ["--endpoints", endpoints.joined(separator: ","), "--command-timeout", "2s"] + credentials
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

/// Whether something becomes true in time.
func eventually(_ seconds: Double = 5, _ condition: () throws -> Bool) rethrows -> Bool {
    let end = Date().addingTimeInterval(seconds)
    while true {
        if try condition() { return true }
        if Date() > end { return false }
        usleep(20_000)
    }
}
