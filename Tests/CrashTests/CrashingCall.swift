// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Support
import Testing

/// A call of a plugin that the kernel ends in the middle, by the fault injection of strace.
struct CrashingCall {
    /// A place at which to kill: before a system call is made for the so-many-th time.
    struct Point: CustomStringConvertible {
        let name: String
        let count: Int
        var description: String { "a kill before \(name) number \(count)" }

        /// What strace is told.
        var option: String { "inject=\(name):signal=SIGKILL:when=\(count)" }
    }

    static let strace = Programs.path("strace")

    let process: PluginProcess

    /// Whether the call is killed at a point, its own or one of its child's; not if neither comes to it.
    ///
    /// Each process counts for itself, and strace ends when the last one has.
    func isKilled(at point: Point) throws -> Bool {
        let outcome = try traced(["-o", "/dev/null", "-e", point.option]).run()
        #expect(!outcome.timedOut)
        // strace ends as what it ran did.
        return outcome.signal == Int(SIGKILL) || outcome.exitCode != 0
    }

    /// All the points of the program itself after its loader has ended.
    func points() throws -> [Point] {
        let directory = try TemporaryDirectory()
        let log = directory.path("log")
        let outcome = try traced(["-o", log]).run()
        #expect(outcome.exitCode == 0, "\(outcome.stdoutText)\(outcome.stderrText)")
        var own: Substring?
        var counts: [String: Int] = [:]
        var points: [Point] = []
        for line in try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n") {
            let process = line.prefix { $0 != " " }
            own = own ?? process
            let call = line.dropFirst(process.count).drop { $0 == " " }
            guard process == own, call.first?.isLetter == true, call.contains("(") else { continue }
            let name = String(call.prefix { $0 != "(" })
            counts[name, default: 0] += 1
            // The first thing that the skeleton does, and the first after which it matters.
            if name == "signalfd4" || !points.isEmpty { points.append(Point(name: name, count: counts[name] ?? 0)) }
        }
        return points
    }

    private func traced(_ options: [String]) throws -> PluginProcess {
        var traced = process
        traced.arguments = ["-f"] + options + ["--", process.executable] + process.arguments
        traced.executable = try #require(Self.strace)
        return traced
    }
}

/// A network whose pool has one address unless said otherwise, so that one that is lost is missed.
struct CrashNetwork {
    static let name = "crash"
    private static let lease = "c1\r\neth0"

    private let directory: TemporaryDirectory
    private let type: String
    private let netns: String
    private let subnet: String

    init(type: String, netns: String = "/nowhere", subnet: String = "10.1.0.0/30") throws {
        directory = try TemporaryDirectory()
        (self.type, self.netns, self.subnet) = (type, netns, subnet)
    }

    private var path: String { "\(directory.path)/\(Self.name)" }

    /// A call for an attachment.
    func process(_ command: String, _ containerID: String = "c1") -> PluginProcess {
        var process = PluginProcess(Executables.path(type))
        process.environment = [
            "CNI_COMMAND": command, "CNI_CONTAINERID": containerID, "CNI_NETNS": netns, "CNI_IFNAME": "eth0",
            "CNI_PATH": Executables.directory,
        ]
        let configuration = """
            {"cniVersion":"1.0.0","name":"\(Self.name)","type":"bridge","bridge":"crash0","isGateway":true,
            "ipam":{"type":"host-local","dataDir":"\(directory.path)","subnet":"\(subnet)"}}
            """
        process.input = .bytes(Array(configuration.utf8))
        return process
    }

    /// Runs a call that must succeed.
    func call(_ command: String, _ containerID: String = "c1", after point: CrashingCall.Point?) throws {
        let outcome = try process(command, containerID).run()
        #expect(
            outcome.exitCode == 0,
            "\(command) after \(point?.description ?? "nothing"): \(outcome.stdoutText)\(outcome.stderrText)"
        )
    }

    /// The files of the store that are named after addresses.
    func leases() throws -> [String] {
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: path).filter { $0.hasPrefix("10.") }
    }

    /// The last part of the address that was given last, or 1 if none was.
    func lastReserved() -> Int {
        let content = FileManager.default.contents(atPath: "\(path)/last_reserved_ip.0") ?? Data()
        return String(decoding: content, as: UTF8.self).split(separator: ".").last.flatMap { Int($0) } ?? 1
    }

    /// Expects that every file is whole and under its own name.
    func expectWholeStore(after point: CrashingCall.Point?) throws {
        for name in try leases() {
            let content = FileManager.default.contents(atPath: "\(path)/\(name)").map {
                String(decoding: $0, as: UTF8.self)
            }
            #expect(content == Self.lease, "\(name) after \(point?.description ?? "nothing")")
        }
        let known = ["10.1.0.2", "last_reserved_ip.0", "lock"]
        guard FileManager.default.fileExists(atPath: path) else { return }
        let others = try FileManager.default.contentsOfDirectory(atPath: path).filter { !known.contains($0) }
        #expect(others.isEmpty, "after \(point?.description ?? "nothing")")
        let last = FileManager.default.contents(atPath: "\(path)/last_reserved_ip.0")
        #expect(last == nil || last == Data("10.1.0.2".utf8), "after \(point?.description ?? "nothing")")
    }

    /// Expects that DEL ends all that a killed call has left, and that the network is as good as new.
    func expectRecovery(after point: CrashingCall.Point?, isClean: () throws -> Bool) throws {
        try expectWholeStore(after: point)
        try call("DEL", after: point)
        let leases = try leases()
        #expect(leases.isEmpty, "after \(point?.description ?? "nothing")")
        let wasClean = try isClean()
        #expect(wasClean, "after \(point?.description ?? "nothing")")
        // The only address there is.
        try call("ADD", "c2", after: point)
        try call("DEL", "c2", after: point)
        let isCleanAgain = try isClean()
        #expect(isCleanAgain, "after \(point?.description ?? "nothing")")
    }
}
