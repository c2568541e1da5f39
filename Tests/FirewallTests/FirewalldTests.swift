// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// The plugin on a host where firewalld runs, and on one where it does not.
@Suite(
    "firewall on a host with firewalld",
    .serialized,
    .ownNetworkNamespace,
    .enabled(if: FirewalldHost.missing == nil, "needs \(FirewalldHost.missing ?? "")")
)
struct FirewalldTests {
    private static let records = "/run/cni/firewalld"

    private func call(_ host: FirewalldHost, _ members: String = "") -> PluginCall {
        PluginCall("firewall", members).with {
            $0.environment = ["DBUS_SYSTEM_BUS_ADDRESS": host.address]
            $0.previous = PluginCall.result(["10.1.0.2/24", "fd00::2/64"])
        }
    }

    /// Removes the directory of the records if it was not there before.
    private func leavingNothing(_ body: () throws -> Void) throws {
        let parents = ["/run/cni", Self.records].filter { !FileManager.default.fileExists(atPath: $0) }
        defer { for path in parents.reversed() { rmdir(path) } }
        try body()
        let left = (try? FileManager.default.contentsOfDirectory(atPath: Self.records)) ?? []
        #expect(left == [])
    }

    @Test(arguments: ["", #","backend":"firewalld""#]) func addressesBecomeSourcesOfTheZone(members: String) throws {
        let host = try FirewalldHost()
        try leavingNothing {
            let call = call(host, members)
            try call.call("STATUS")
            try call.call("ADD")
            #expect(try host.sources() == ["10.1.0.2/32", "fd00::2/128"])
            try call.call("CHECK")
            try host.reload()
            #expect(try call.failure("CHECK").code == 105)
            try call.call("ADD")
            try call.call("CHECK")
            // Neither a previous result nor a configuration is needed.
            for _ in 0..<2 { try call.with { ($0.previous, $0.members, $0.netns) = (nil, "", "") }.call("DEL") }
            #expect(try host.sources() == [])
        }
    }

    @Test func garbageGoesAndTheLivingStay() throws {
        let host = try FirewalldHost()
        try leavingNothing {
            let first = call(host)
            let second = first.with {
                ($0.id, $0.previous) = ("c2", PluginCall.result(["10.1.0.3/24"]))
            }
            try first.call("ADD")
            try second.call("ADD")
            try first.collect(keeping: ["c2"])
            #expect(try host.sources() == ["10.1.0.3/32"])
            try first.collect(keeping: [])
            #expect(try host.sources() == [])
        }
    }

    @Test func anotherBackendDoesNotAsk() throws {
        let host = try FirewalldHost()
        try leavingNothing {
            let call = call(host, #","backend":"nftables""#)
            try call.call("ADD")
            #expect(try host.sources() == [])
            try call.call("DEL")
        }
    }

    @Test(arguments: [("", true), (#","backend":"firewalld""#, true), (#","backend":"firewalld""#, false)])
    func aNetworkIsNotAdmittedToTheWholeHost(members: String, runs: Bool) throws {
        let host = try FirewalldHost(withFirewalld: runs)
        try leavingNothing {
            let call = call(host, members + #","admitFrom":["10.1.0.0/16","fd00::/8"]"#)
            for command in ["ADD", "CHECK", "STATUS"] {
                let failure = try call.failure(command)
                #expect(failure.code == 7 && failure.text.contains("admitFrom"), "\(command): \(failure)")
                #expect(
                    failure.text.contains("--zone=trusted --add-source=10.1.0.0/16 --add-source=fd00::/8,"),
                    "\(failure)"
                )
            }
            try call.call("DEL")
            guard runs else { return }
            // What the message proposes is no hindrance to the addresses within.
            try host.bind("10.1.0.0/16", to: "trusted")
            try self.call(host, members).call("ADD")
            try call.call("DEL")
            #expect(try host.sources() == ["10.1.0.0/16"])
        }
    }

    @Test func withoutFirewalldItIsNotUsedUnlessItIsNamed() throws {
        let host = try FirewalldHost(withFirewalld: false)
        try leavingNothing {
            try call(host).call("ADD")
            try call(host).call("DEL")
            let named = call(host, #","backend":"firewalld""#)
            #expect(try named.failure("STATUS").code == 50)
            #expect(try named.failure("ADD").code == 104)
            try named.call("DEL")
        }
    }

    @Test(arguments: [#","backend":"ebtables""#, #","ingressPolicy":"closed""#])
    func aConfigurationThatBecameWrongKeepsNothingFromGoing(members: String) throws {
        let host = try FirewalldHost()
        try leavingNothing {
            try call(host).call("ADD")
            let wrong = call(host, members)
            #expect(try wrong.failure("ADD").code == 7)
            #expect(try wrong.failure("STATUS").code == 7)
            try wrong.with { $0.previous = nil }.call("DEL")
            #expect(try host.sources() == [])
        }
    }
}
