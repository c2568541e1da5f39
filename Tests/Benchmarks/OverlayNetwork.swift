// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A registry with one daemon and any number of hosts, all in the namespace of the benchmark.
final class OverlayNetwork {
    private let directory = "\(Isolation.scratch)/overlay"
    private let address = "192.168.9.1"
    private let prefix = "/coreos.com/network"
    private var processes: [Process] = []
    private var daemon: Process?
    private let program: String

    /// Starts etcd, on an underlay that leads nowhere.
    init(_ suite: Suite) throws {
        program = suite.path(of: "overlayd")
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        for line in [
            "link add under0 type veth peer name under1", "link set under0 up", "link set under1 up",
            "address add \(address)/24 dev under0",
        ] {
            try Call.tool(["ip"] + line.split(separator: " ").map { String($0) }, output: nil)
        }
        let url = "http://\(address):2379"
        _ = try start(
            "/usr/bin/etcd",
            [
                "--data-dir", "\(directory)/etcd", "--listen-client-urls", url, "--advertise-client-urls", url,
                "--listen-peer-urls", "http://127.0.0.1:2380", "--logger", "zap", "--log-outputs",
                "\(directory)/etcd.log",
            ]
        )
        let network =
            ["Network": "10.0.0.0/8", "SubnetMax": "10.199.255.0", "Backend": ["Type": "vxlan", "VNI": 1]]
            as [String: Any]
        let value = String(decoding: try JSONSerialization.data(withJSONObject: network), as: UTF8.self)
        let end = Clock.milliseconds + 20_000
        while (try? put("config", value)) == nil {
            guard Clock.milliseconds < end else { throw Failure("etcd does not answer; install etcd-server") }
            usleep(50_000)
        }
        _ = try Suite.write(
            "overlay",
            [
                "cniVersion": "1.1.0", "name": "bench", "type": "vxlan", "master": "under0",
                "subnetFile": "\(directory)/subnet.env",
                "registry": [
                    "type": "etcd", "endpoints": [url], "heartbeat": "1h", "resync": "1h", "runDir": directory,
                    "stateDir": "\(directory)/state",
                ],
            ]
        )
    }

    deinit {
        stop()
        for process in processes { process.terminate() }
        for process in processes { process.waitUntilExit() }
    }

    private func start(_ program: String, _ arguments: [String], output: Pipe? = nil) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardOutput = output ?? FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        if output == nil { processes.append(process) }
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
        while !seen.contains("10.\(200 + number / 256).\(number % 256).0/24") {
            let data = pipe.fileHandleForReading.availableData
            if data.isEmpty { throw Failure("ip monitor ended") }
            seen += String(decoding: data, as: UTF8.self)
        }
        return Clock.milliseconds - begin
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

    private static func key(_ number: Int) -> String { "10.\(200 + number / 256).\(number % 256).0-24" }

    private static func value(_ number: Int) -> String {
        let mac = "02:aa:00:00:" + String(format: "%02x:%02x", number / 256, number % 256)
        return
            #"{"PublicIP":"172.16.\#(number / 256).\#(number % 256)","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"\#(mac)"}}"#
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
        inet_pton(AF_INET, address, &place.sin_addr)
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
