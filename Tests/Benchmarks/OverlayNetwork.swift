// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A registry with one daemon and any number of hosts, all in the namespace of the benchmark.
final class OverlayNetwork {
    private let directory = "\(Isolation.scratch)/overlay"
    private let address = "192.168.9.1"
    /// The addresses of the members of etcd, and the one that is asked.
    private let places: [String]
    private var asked = 0
    private let prefix = "/coreos.com/network"
    private var members: [(arguments: [String], process: Process)] = []
    private var daemon: Process?
    private let program: String

    /// The other host that is there, whose subnet is that of this number.
    private let far: FarHost
    private static let farNumber = 13_000

    /// Starts etcd with one member or more, on an underlay with one other host.
    init(_ suite: Suite, _ namespaces: Namespaces, members count: Int = 1) throws {
        program = suite.path(of: "overlayd")
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        for line in [
            "link add under0 type veth peer name under1", "link set under0 up",
            "address add \(address)/24 dev under0",
        ] {
            try Call.tool(["ip"] + line.split(separator: " ").map { String($0) }, output: nil)
        }
        far = try FarHost(at: "192.168.9.2", by: "under1", address: Self.subnet(Self.farNumber) + ".1", namespaces)
        places = [address] + (1..<count).map { "127.0.0.\(1 + $0)" }
        let cluster = places.enumerated().map { "m\($0)=http://\($1):2380" }.joined(separator: ",")
        for (number, place) in places.enumerated() {
            let (client, peer) = ("http://\(place):2379", "http://\(place):2380")
            let arguments = [
                "--name", "m\(number)", "--data-dir", "\(directory)/etcd\(number)", "--initial-cluster", cluster,
                "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
                "--initial-advertise-peer-urls", peer, "--logger", "zap", "--log-outputs", "\(directory)/etcd.log",
            ]
            members.append((arguments, try start("/usr/bin/etcd", arguments)))
        }
        let network =
            ["Network": "10.0.0.0/8", "SubnetMax": "10.199.255.0", "Backend": ["Type": "vxlan", "VNI": 1]]
            as [String: Any]
        let value = String(decoding: try JSONSerialization.data(withJSONObject: network), as: UTF8.self)
        try waitForLeader()
        try put("config", value)
        _ = try Suite.write(
            "overlay",
            [
                "cniVersion": "1.1.0", "name": "bench", "type": "vxlan", "master": "under0",
                "subnetFile": "\(directory)/subnet.env",
                "registry": [
                    "type": "etcd", "endpoints": places.map { "http://\($0):2379" }, "heartbeat": "1h", "resync": "1h",
                    "runDir": directory,
                    "stateDir": "\(directory)/state",
                ],
            ]
        )
    }

    deinit {
        stop()
        for member in members { member.process.terminate() }
        for member in members { member.process.waitUntilExit() }
        try? Call.tool(["ip", "link", "delete", "under0"], output: nil)
        try? FileManager.default.removeItem(atPath: directory)
    }

    private func start(_ program: String, _ arguments: [String], output: Pipe? = nil) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardOutput = output ?? FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        return process
    }

    /// Starts the daemon and returns the milliseconds until it leads to so many hosts.
    func startDaemon(hosts: Int) throws -> Double {
        let begin = Clock.milliseconds
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = ["--config", "\(Isolation.scratch)/overlay.json"]
        process.standardError = FileHandle.nullDevice
        try process.run()
        daemon = process
        // The file is written once everything is in the kernel.
        while !FileManager.default.fileExists(atPath: "\(directory)/bench.json") {
            guard process.isRunning, Clock.milliseconds < begin + 60_000 else {
                throw Failure("overlayd does not start")
            }
            usleep(1000)
        }
        return Clock.milliseconds - begin
    }

    /// Waits until the daemon has nothing to do: it compares everything once more when it has heard of its own device.
    func settle() throws {
        var before = -1.0
        while case let now = try processorTime(), now != before {
            before = now
            usleep(300_000)
        }
    }

    /// Ends the daemon, and takes away what it made.
    func stop() {
        guard let daemon else { return }
        daemon.terminate()
        daemon.waitUntilExit()
        self.daemon = nil
        try? Call.tool(["ip", "link", "delete", "vxlan.1"], output: nil)
        try? FileManager.default.removeItem(atPath: "\(directory)/bench.json")
    }

    /// Registers hosts, a hundred at a time.
    func register(_ range: Range<Int>) throws {
        for first in stride(from: range.lowerBound, to: range.upperBound, by: 100) {
            let puts = (first..<min(first + 100, range.upperBound)).map { number in
                [
                    "request_put": [
                        "key": Self.text("\(prefix)/subnets/\(Self.key(number))"),
                        "value": Self.text(Self.value(number)),
                    ]
                ]
            }
            try post("kv/txn", ["success": puts])
        }
    }

    /// Registers one host or changes it, and returns the milliseconds until its route is there.
    func change(_ number: Int) throws -> Double {
        let pipe = Pipe()
        let monitor = try start("/usr/bin/env", ["ip", "-o", "monitor", "route"], output: pipe)
        defer {
            monitor.terminate()
            monitor.waitUntilExit()
        }
        // It says nothing when it is ready.
        usleep(50_000)
        let begin = Clock.milliseconds
        try put("subnets/\(Self.key(number))", Self.value(number))
        var seen = ""
        while !seen.contains(Self.subnet(number) + ".0/24") {
            let data = pipe.fileHandleForReading.availableData
            if data.isEmpty { throw Failure("ip monitor ended") }
            seen += String(decoding: data, as: UTF8.self)
        }
        return Clock.milliseconds - begin
    }

    /// Kills the member that the daemon is at, and returns the milliseconds until a host that is registered as soon as the others
    /// allow it is known; then the member is back.
    func changeWithoutMember(_ number: Int) throws -> Double {
        let list = "\(directory)/connections"
        try Call.tool(["ss", "-Htn", "state", "established", "dport", "= :2379"], output: list)
        let connections = try String(contentsOfFile: list, encoding: .utf8)
        guard let victim = places.firstIndex(where: { connections.contains(" \($0):2379") }) else {
            throw Failure("overlayd is at no member of etcd")
        }
        kill(members[victim].process.processIdentifier, SIGKILL)
        members[victim].process.waitUntilExit()
        asked = (victim + 1) % places.count
        // Until they have a leader nobody can register.
        try waitForLeader()
        let time = try change(number)
        try forget(number)
        members[victim].process = try start("/usr/bin/etcd", members[victim].arguments)
        asked = victim
        try waitForLeader()
        return time
    }

    private func waitForLeader() throws {
        let end = Clock.milliseconds + 20_000
        while (try? post("kv/range", ["key": Self.text("\(prefix)/config")])) == nil {
            guard Clock.milliseconds < end else { throw Failure("etcd does not answer; install etcd-server") }
            usleep(20_000)
        }
    }

    /// Registers the host that is there, returns the milliseconds until it answers, and forgets it again.
    func waitForAnswer() throws -> Double {
        try far.lead(to: "/sys/class/net/vxlan.1/address", at: address)
        let begin = Clock.milliseconds
        try put("subnets/\(Self.key(Self.farNumber))", Self.value(far.publicIP, mac: far.mac))
        while try !far.answers() {
            guard Clock.milliseconds < begin + 10_000 else { throw Failure("no packet came back through the tunnel") }
            usleep(100)
        }
        let time = Clock.milliseconds - begin
        try forget(Self.farNumber)
        while try far.answers() { usleep(1000) }
        return time
    }

    /// Removes hosts.
    func forget(_ number: Int) throws {
        try post("kv/deleterange", ["key": Self.text("\(prefix)/subnets/\(Self.key(number))")])
    }

    /// The milliseconds that the daemon has been on a processor.
    func processorTime() throws -> Double {
        let text = try String(contentsOfFile: "/proc/\(daemon?.processIdentifier ?? 0)/schedstat", encoding: .utf8)
        return (text.split(separator: " ").first.flatMap { Double($0) } ?? .nan) / 1e6
    }

    /// The most memory that the daemon has used, in units of 1024 bytes.
    func peakMemory() throws -> Double {
        let text = try String(contentsOfFile: "/proc/\(daemon?.processIdentifier ?? 0)/status", encoding: .utf8)
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
        return line.split(separator: " ").dropFirst().first.flatMap { Double($0) } ?? .nan
    }

    private static func subnet(_ number: Int) -> String { "10.\(200 + number / 256).\(number % 256)" }

    private static func key(_ number: Int) -> String { subnet(number) + ".0-24" }

    private static func value(_ number: Int) -> String {
        let mac = "02:aa:00:00:" + String(format: "%02x:%02x", number / 256, number % 256)
        return value("172.16.\(number / 256).\(number % 256)", mac: mac)
    }

    private static func value(_ address: String, mac: String) -> String {
        #"{"PublicIP":"\#(address)","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"\#(mac)"}}"#
    }

    private static func text(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

    private func put(_ key: String, _ value: String) throws {
        try post("kv/put", ["key": Self.text("\(prefix)/\(key)"), "value": Self.text(value)])
    }

    /// Asks etcd over a connection of its own.
    private func post(_ path: String, _ body: [String: Any]) throws {
        let content = try JSONSerialization.data(withJSONObject: body)
        let head =
            "POST /v3/\(path) HTTP/1.1\r\nHost: \(address)\r\nConnection: close\r\nContent-Length: \(content.count)\r\n\r\n"
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_port = UInt16(2379).bigEndian
        inet_pton(AF_INET, places[asked], &place.sin_addr)
        let connected = withUnsafePointer(to: &place) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { throw Failure("etcd: \(String(cString: strerror(errno)))") }
        let request = [UInt8](Data(head.utf8) + content)
        var sent = 0
        while sent < request.count {
            let count = request[sent...].withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, 0) }
            guard count > 0 else { throw Failure("etcd: the connection broke") }
            sent += count
        }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count > 12, String(decoding: buffer[9..<12], as: UTF8.self) == "200" else {
            throw Failure("etcd: \(String(decoding: buffer.prefix(max(0, count)), as: UTF8.self))")
        }
    }
}
