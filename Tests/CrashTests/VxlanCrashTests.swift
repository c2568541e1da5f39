// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// Calls of vxlan that are killed before each change of the kernel.
@Suite(
    .ownNetworkNamespace,
    .enabled(if: CrashingCall.strace != nil, "needs strace, to kill at a system call")
)
struct VxlanCrashTests {
    private let directory: TemporaryDirectory
    private let container: ContainerNamespace
    private let before: String

    init() throws {
        directory = try TemporaryDirectory()
        container = try ContainerNamespace()
        for line in [
            "link add eth0 type veth peer name wire", "link set eth0 up", "link set wire up",
            "address add 192.168.9.1/24 dev eth0",
        ] {
            try Programs.run("ip", line.split(separator: " ").map { String($0) })
        }
        before = try Self.links()
    }

    /// A call for the container, which is the only one of its host.
    private func call(_ more: String) -> PluginCall {
        let peers = (1...2).map { #"{"publicIP":"192.168.9.\#($0)","subnet":"10.5.\#($0).0/24"}"# }
        let members = """
            ,"network":"10.5.0.0/16","teardown":"auto","peers":[\(peers.joined(separator: ","))],\
            "ipam":{"type":"host-local","dataDir":"\(directory.path)"}\(more)
            """
        return PluginCall("vxlan", members).of(container, "c1")
    }

    private static func links() throws -> String {
        try Programs.run("ip", "-br", "link").split(separator: "\n").map { $0.prefix { $0 != " " } }.sorted()
            .joined(separator: "\n")
    }

    private func leases() throws -> [String] {
        let path = directory.path("lan")
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: path).filter { $0.hasPrefix("10.") }
    }

    private func expectNothing(_ call: PluginCall, _ point: CrashingCall.Point) throws {
        // What it has started may outlive it.
        try #require(try eventually { try Orphans.areGone() })
        try call.call("DEL")
        let (links, leases) = (try Self.links(), try leases())
        #expect(links == before, "after \(point)")
        #expect(leases.isEmpty, "after \(point)")
        let routes = try Programs.run("ip", "route", "show", "proto", "92")
        #expect(routes == "", "after \(point)")
    }

    @Test(arguments: ["", #","mode":"bridged""#]) func whatIsKilledGoesWithTheNextDelete(more: String) throws {
        let call = call(more)
        let add = CrashingCall(process: call.process("ADD"))
        // The kernel is changed by messages to it, and by what is written to its files.
        let points = try add.points().filter { ["sendto", "sendmsg", "write"].contains($0.name) }
        try call.call("DEL")
        var kills = 0
        for point in points {
            if try add.isKilled(at: point) { kills += 1 }
            if kills.isMultiple(of: 4) {
                // Or the runtime tries again at once, and finds what is half made.
                try #require(try eventually { try Orphans.areGone() })
                try call.call("DEL")
                try call.call("ADD")
            }
            try expectNothing(call, point)
        }
        #expect(kills >= 20)
    }
}
