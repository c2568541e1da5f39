// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import JSON
import Support
import Testing

/// Three hosts on one underlay with the addresses 192.168.9.N, a container on each, and a registry.
final class Lab {
    let wire: ContainerNamespace
    let registry: Registry
    let hosts: [LabHost]

    /// The network of most tests; its hosts draw from where tests put no subnets of others.
    static let vxlan = """
        {"Network":"10.5.0.0/16","SubnetMax":"10.5.69.0","Backend":{"Type":"vxlan","VNI":1,"Port":8472}}
        """

    /// Makes a lab; some keys are those of the object registry in the hosts' file, and others of the plugin.
    init(
        members: Int = 1,
        hosts count: Int = 3,
        certificates: Certificates? = nil,
        etcd options: [String] = [],
        keys: [String: JSON] = [:],
        plugin: [String: JSON] = [:]
    ) throws {
        wire = try ContainerNamespace(named: "underlay")
        for line in ["link add br0 type bridge mcast_snooping 0", "link set br0 up", "link set lo up"] {
            try Registry.run("ip", line.split(separator: " ").map { String($0) }, in: wire)
        }
        registry = try Registry(on: wire, members: members, certificates: certificates, options: options)
        var keys = keys
        keys["endpoints"] = keys["endpoints"] ?? .array(registry.endpoints.map { .string($0) })
        hosts = try (1..<count + 1).map { try LabHost($0, keys, plugin) }
        for host in hosts {
            let port = "p\(host.number)"
            let words = "link add \(port) master br0 type veth peer name eth0 netns \(host.space.path)"
            try Registry.run("ip", words.split(separator: " ").map { String($0) }, in: wire)
            try Registry.run("ip", ["link", "set", port, "up"], in: wire)
            try host.run("ip link set lo up")
            try host.run("ip link set eth0 up")
            try host.run("ip address add 192.168.9.\(host.number)/24 dev eth0")
        }
    }

    /// Starts all daemons, and waits until each host knows all others.
    func startAll() throws {
        for host in hosts { try host.start() }
        let isReady = try eventually {
            try hosts.allSatisfy { try $0.ways().count >= hosts.count - 1 && $0.isReady }
        }
        try #require(isReady, "\(logs)")
    }

    /// What the daemons said.
    var logs: String { hosts.map { "host \($0.number):\n\($0.log)" }.joined(separator: "\n") }

    /// Attaches a container on each host.
    func attachAll() throws { for host in hosts { try host.attach() } }

    /// Opens a connection between containers of two hosts, counted from 0.
    func connect(_ from: Int, _ to: Int) throws -> Connection? {
        try Connection(from: hosts[from].container, to: hosts[to].address(), in: hosts[to].container)
    }

    /// Whether a new connection between containers of two hosts works.
    func reaches(_ from: Int, _ to: Int) throws -> Bool { try connect(from, to)?.goesOn() ?? false }
}

/// A host of the lab with its daemon.
final class LabHost {
    let number: Int
    let space: ContainerNamespace
    let container: ContainerNamespace
    private let directory: TemporaryDirectory
    private let file: JSON
    private(set) var daemon: RunningProcess?

    init(_ number: Int, _ keys: [String: JSON], _ plugin: [String: JSON]) throws {
        self.number = number
        space = try ContainerNamespace(named: "host\(number)")
        container = try ContainerNamespace(named: "container\(number)")
        directory = try TemporaryDirectory()
        var registry: [String: JSON] = [
            "type": "etcd", "heartbeat": "500ms", "requestTimeout": "1s",
            "runDir": .string(directory.path("run")), "stateDir": .string(directory.path("state")),
        ]
        for (key, value) in keys { registry[key] = value }
        let object = JSONObject(registry.sorted { $0.key < $1.key }.map { .init($0.key, $0.value) })
        let members: JSON = [
            "cniVersion": "1.1.0", "name": "overlay", "type": "vxlan", "master": "eth0",
            "subnetFile": .string(directory.path("subnet.env")), "registry": .object(object),
            "ipam": ["type": "host-local", "dataDir": .string(directory.path("ipam"))],
        ]
        guard case .object(var file) = members else { throw ProgramTrouble(description: "not an object") }
        for (key, value) in plugin { file[key] = value }
        self.file = .object(file)
        try directory.write(String(decoding: self.file.serialize(), as: UTF8.self), to: "net.conf")
    }

    deinit { end(SIGKILL) }

    /// Whether the plugin can be called: what it needs is written when the kernel has what leads to the others.
    var isReady: Bool { (try? text("run/overlay.json")) != nil }

    /// What the daemon said.
    var log: String { (try? String(contentsOfFile: directory.path("log"), encoding: .utf8)) ?? "" }

    /// The text of one of the host's files.
    func text(_ name: String) throws -> String { try String(contentsOfFile: directory.path(name), encoding: .utf8) }

    /// Writes one of the host's files.
    func write(_ text: String, to name: String) throws { try directory.write(text, to: name) }

    /// Removes one of the host's files.
    func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: directory.path(name)) }

    /// Runs a line on the host, which must succeed.
    @discardableResult
    func run(_ line: String) throws -> String {
        let words = line.split(separator: " ").map { String($0) }
        return try Registry.run(words[0], Array(words.dropFirst()), in: space)
    }

    /// Starts the daemon, whose log is a file, because nobody empties a pipe.
    func start(_ arguments: [String] = []) throws {
        let command = "exec \"$@\" 2>>\(directory.path("log"))"
        let program = [Executables.path("overlayd"), "--config", directory.path("net.conf")]
        let process = PluginProcess("/bin/sh", arguments: ["-c", command, "sh"] + program + arguments)
        daemon = try space.inside { try process.start() }
    }

    /// Ends the daemon.
    @discardableResult
    func end(_ signal: CInt) -> PluginProcess.Outcome? {
        daemon?.send(signal)
        defer { daemon = nil }
        return try? daemon?.finish()
    }

    /// Runs the program to its end.
    func call(_ arguments: String...) throws -> PluginProcess.Outcome {
        let path = Executables.path("overlayd")
        let process = PluginProcess(path, arguments: ["--config", directory.path("net.conf")] + arguments)
        return try process.run(in: space.namespace)
    }

    /// Calls the plugin.
    func plugin(_ command: String) throws -> PluginProcess.Outcome {
        var process = PluginProcess(Executables.path("vxlan"))
        process.environment = [
            "CNI_COMMAND": command, "CNI_PATH": Executables.directory, "CNI_CONTAINERID": "c\(number)",
            "CNI_IFNAME": "eth0", "CNI_NETNS": container.path,
        ]
        process.input = .bytes(file.serialize())
        return try process.run(in: space.namespace)
    }

    /// Attaches the container.
    func attach() throws {
        let outcome = try plugin("ADD")
        if outcome.exitCode != 0 { throw ProgramTrouble(description: outcome.stdoutText + outcome.stderrText) }
    }

    /// The global address of the container, of a version of IP.
    func address(_ version: Int = 4) throws -> String {
        let words = ["-\(version)", "-o", "address", "show", "eth0", "scope", "global"]
        let text = try Registry.run("ip", words, in: container)
        guard text.contains("/") else { throw ProgramTrouble(description: "no address of IPv\(version)") }
        return String(text.split(separator: " ")[3].split(separator: "/")[0])
    }

    /// The networks behind other hosts.
    func ways() throws -> [String] {
        try run("ip route show proto 92").split(separator: "\n").compactMap { $0.split(separator: " ").first }
            .map { String($0) }
    }

    /// All that is in the kernel for other hosts, in an order that does not depend on the kernel's tables.
    func entries() throws -> String {
        let text = try run("ip route show proto 92") + run("ip neigh show dev vxlan.1 nud permanent")
        return try (text + run("bridge fdb show dev vxlan.1")).split(separator: "\n").sorted().joined(separator: "\n")
    }
}

/// A TCP connection between containers, both ends of which one thread holds.
final class Connection {
    private var (client, server): (CInt, CInt) = (-1, -1)

    /// Connects; nothing if that takes longer than the kernel needs to ask for a neighbour again and again.
    init?(from first: ContainerNamespace, to text: String, in second: ContainerNamespace) throws {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(8080).bigEndian
        inet_pton(AF_INET, text, &address.sin_addr)
        let listener = try second.inside { Self.open() }
        defer { close(listener) }
        client = try first.inside { Self.open() }
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isOpen = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { place in
                bind(listener, place, size) == 0 && listen(listener, 4) == 0 && connect(client, place, size) == 0
            }
        }
        if !isOpen { return nil }
        server = accept(listener, nil, nil)
    }

    deinit { for end in [client, server] where end >= 0 { close(end) } }

    private static func open() -> CInt {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var (limit, on) = (timeval(tv_sec: 10, tv_usec: 0), CInt(1))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<CInt>.size))
        return descriptor
    }

    /// Whether bytes get through in both directions.
    func goesOn() -> Bool {
        for (from, to) in [(client, server), (server, client)] {
            let bytes = (0..<20_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            guard send(from, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else { return false }
            var received = [UInt8](repeating: 0, count: bytes.count)
            guard recv(to, &received, received.count, Int32(MSG_WAITALL)) == bytes.count, received == bytes else {
                return false
            }
        }
        return true
    }
}
