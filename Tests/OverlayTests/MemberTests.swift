// SPDX-License-Identifier: Apache-2.0

import Etcd
import Foundation
import JSON
import Support
import Testing

/// Members of etcd that do not do what the others do, and users who change.
@Suite(
    "overlayd: members",
    .ownNetworkNamespace,
    .enabled(if: Programs.path("etcd") != nil, "needs etcd-server and etcd-client")
)
struct MemberTests {
    /// Runs a body on the underlay of a lab that has no hosts, with a client that begins with the first of its members.
    private func withClient(
        of lab: Lab,
        _ endpoints: [String],
        _ keys: [String: JSON] = [:],
        _ body: (inout EtcdClient) throws -> Void
    ) throws {
        var object = JSONObject([.init("endpoints", .array(endpoints.map { .string($0) }))])
        for (key, value) in keys { object.append(key, value) }
        let settings = try EtcdSettings(ConfigNode(.object(object)))
        try lab.wire.inside {
            var client = try EtcdClient(settings, signals: -1, start: 0)
            try body(&client)
        }
    }

    /// The failure with which a watch ends.
    private func end(ofWatchOf client: inout EtcdClient) -> EtcdError? {
        for _ in 0..<300 {
            _ = client.wait(-1, limitMilliseconds: 100)
            do throws(EtcdError) { _ = try client.events() } catch { return error }
        }
        return nil
    }

    /// What a member says by the number of a request that is wrong, in the way of etcd 3.5.
    private static func precondition(_ text: String) -> String {
        #"400 {"error":"etcdserver: \#(text)","code":9,"message":"etcdserver: \#(text)"}"#
    }

    @Test(arguments: [
        "200 {}", "200 []", #"200 {"header":{}}"#, "404 not found", #"500 {"error":"boom","code":13,"message":"boom"}"#,
        precondition("rpc not supported for learner"), precondition("not capable"), precondition("not leader"),
    ])
    func whoAnswersWronglyIsLeft(answer: String) throws {
        let lab = try Lab(hosts: 0)
        let member = try StrangeMember(on: lab.wire, .says(answer))
        try lab.registry.put("config", "{}")
        try withClient(of: lab, [StrangeMember.endpoint] + lab.registry.endpoints) { client in
            var listing: EtcdListing?
            // One who was given a chance may be left only then.
            for _ in 0..<2 where listing == nil { listing = try? client.list(prefix: Registry.prefix) }
            #expect(listing?.entries.count == 1)
            #expect(client.endpoint == lab.registry.endpoints[0])
        }
        withExtendedLifetime(member) {}
    }

    @Test func aListMayTakeLongAsLongAsSomethingComes() throws {
        let lab = try Lab(hosts: 0)
        try lab.registry.put("config", "{}")
        let member = try StrangeMember(on: lab.wire, .dribbles(pieces: 8))
        try withClient(of: lab, [StrangeMember.endpoint], ["requestTimeout": "1s"]) { client in
            let start = ContinuousClock.now
            let listing = try client.list(prefix: Registry.prefix)
            #expect(listing.entries.count == 1 && ContinuousClock.now - start > .seconds(2))
            // Not so what nobody has to wait for.
            #expect(throws: EtcdError.self) { try client.probe("config", limitMilliseconds: 1000) }
        }
        withExtendedLifetime(member) {}
    }

    @Test(arguments: [0, 3]) func aListThatBreaksOffIsWaitedForAsLongAsForAnAnswer(pieces: Int) throws {
        let lab = try Lab(hosts: 0)
        try lab.registry.put("config", "{}")
        let member = try StrangeMember(on: lab.wire, .dribbles(pieces: pieces))
        try withClient(of: lab, [StrangeMember.endpoint], ["requestTimeout": "1s"]) { client in
            let start = ContinuousClock.now
            let listing = try? client.list(prefix: Registry.prefix)
            let time = ContinuousClock.now - start
            #expect(listing == nil)
            #expect(time > .milliseconds(990) && time < .milliseconds(1300 + 400 * pieces), "\(time)")
        }
        withExtendedLifetime(member) {}
    }

    @Test func aRefusalIsTheSameEverywhere() throws {
        let lab = try Lab(hosts: 0)
        try withClient(of: lab, lab.registry.endpoints + ["http://192.168.9.199:2379"]) { client in
            let failure = #expect(throws: EtcdError.self) { try client.create("", [1], lease: 0) }
            #expect(failure?.kind == .refused, "\(failure?.description ?? "")")
            #expect(client.endpoint == lab.registry.endpoints[0])
        }
    }

    @Test func whatIsRefusedIsNotAskedOfTheNextOne() throws {
        let lab = try Lab(hosts: 0)
        let member = try StrangeMember(on: lab.wire, .says(Self.precondition("lease already exists")))
        try withClient(of: lab, [StrangeMember.endpoint] + lab.registry.endpoints) { client in
            let failure = #expect(throws: EtcdError.self) { try client.grant(seconds: 10) }
            #expect(failure?.kind == .refused, "\(failure?.description ?? "")")
            #expect(client.endpoint == StrangeMember.endpoint)
        }
        withExtendedLifetime(member) {}
    }

    @Test(arguments: [StrangeMember.Habit.endsWatches, .endsNoLine])
    func whoseWatchBreaksOffIsLeft(habit: StrangeMember.Habit) throws {
        let lab = try Lab(hosts: 0)
        let member = try StrangeMember(on: lab.wire, habit)
        try withClient(of: lab, [StrangeMember.endpoint] + lab.registry.endpoints) { client in
            let listing = try client.list(prefix: Registry.prefix)
            try client.watch(prefix: Registry.prefix, from: listing.revision + 1)
            let failure = end(ofWatchOf: &client)
            #expect(failure?.kind == .ended, "\(failure?.description ?? "nothing was said")")
            if case .endsNoLine = habit { #expect(failure?.description.contains("no end") == true) }
            #expect(client.endpoint == lab.registry.endpoints[0])
        }
        withExtendedLifetime(member) {}
    }

    @Test func watchesThatEndAtOnceAreAskedForEverMoreSeldom() throws {
        let lab = try Lab(hosts: 1, keys: ["heartbeat": "60s", "endpoints": [.string(StrangeMember.endpoint)]])
        let member = try StrangeMember(on: lab.wire, .endsWatches)
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        try host.start()
        #expect(eventually { member.watches.count >= 6 }, "\(host.log)")
        // The pauses between them are at least 0, 100, 200, 400 and 500 milliseconds.
        let watches = member.watches
        #expect(watches[5] - watches[0] > .milliseconds(1200))
        #expect(host.log.components(separatedBy: "the watch at").count == 2, "\(host.log)")
        #expect(!host.log.contains("all is well again"), "\(host.log)")
    }

    @Test func newHostsAreReachedSoonWhoeverHangs() throws {
        // With what an operator has who sets nothing; a member that nobody needs for another one to write.
        let lab = try Lab(members: 3, hosts: 1, keys: ["heartbeat": .null, "requestTimeout": .null])
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        let followers = try (0..<3).filter { try !lab.registry.leads($0) }
        let places = followers.map { lab.registry.endpoints[$0] }
        try host.start(["--endpoints", places.joined(separator: ","), "--trace", "stderr"])
        #expect(eventually { host.isReady }, "\(host.log)")
        for number in 70..<74 {
            // It has found out that the member of the last time does well.
            #expect(eventually { host.log.components(separatedBy: "all is well again").count == number - 69 })
            let last = try #require(host.log.components(separatedBy: " at http://").last?.prefix { $0 != "\n" })
            let hung = try #require(followers.first { lab.registry.endpoints[$0] == "http://\(last)" })
            lab.registry.pause(hung)
            defer { lab.registry.pause(hung, false) }
            let other = try #require((0..<3).first { $0 != hung })
            let value = Registry.value("192.168.9.\(number)", mac: "c6:d2:32:6f:8f:\(number)")
            try lab.registry.put("subnets/10.5.\(number).0-24", value, at: other)
            let start = ContinuousClock.now
            #expect(try eventually { try host.ways().contains("10.5.\(number).0/24") }, "\(host.log)")
            #expect(ContinuousClock.now - start < .milliseconds(2500), "\(host.log)")
            lab.registry.pause(hung, false)
            try lab.registry.type(["endpoint", "health"], untilItWorks: true)
        }
    }

    @Test func whoIsOnlySlowIsNotLeftAgainAndAgain() throws {
        let lab = try Lab(hosts: 1, keys: ["requestTimeout": "4s", "endpoints": [.string(StrangeMember.endpoint)]])
        let member = try StrangeMember(on: lab.wire, .isSlow)
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        try host.start()
        #expect(eventually(30) { host.log.contains("all is well again") }, "\(host.log)")
        sleep(5)
        // The first two times it was left.
        #expect(member.watches.count == 3, "\(host.log)")
        #expect(host.log.components(separatedBy: "all is well again").count == 2, "\(host.log)")
    }

    @Test func whatComesDuringAnotherAnswerIsTakenAtOnce() throws {
        let lab = try Lab(hosts: 1, keys: ["heartbeat": "10s", "endpoints": [.string(StrangeMember.endpoint)]])
        let member = try StrangeMember(on: lab.wire, .isSlowToProbe)
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        try host.start()
        #expect(eventually { host.isReady }, "\(host.log)")
        for number in 80..<82 {
            let before = member.probes
            #expect(eventually { member.probes > before })
            let value = Registry.value("192.168.9.\(number)", mac: "02:00:00:00:00:\(number)")
            try lab.registry.put("subnets/10.5.\(number).0-24", value)
            // Long before the next probe.
            #expect(try eventually(5) { try host.ways().contains("10.5.\(number).0/24") }, "\(host.log)")
        }
    }

    @Test func whatIsUselessIsListedMoreSeldomTheMoreHostsThereAre() throws {
        let lab = try Lab(hosts: 1)
        try lab.registry.configure("{")
        try lab.registry.putHosts(0..<3000)
        let host = lab.hosts[0]
        try host.start(["--trace", "stderr"])
        let lists = { host.log.components(separatedBy: "v3/kv/range: 200").count }
        // From then on the pauses are the longest.
        #expect(eventually { lists() > 8 }, "\(host.log)")
        let before = lists()
        sleep(10)
        #expect(lists() - before <= 6, "\(host.log)")
        try lab.registry.configure(#"{"Network":"10.0.0.0/8","Backend":{"Type":"vxlan","VNI":1}}"#)
        #expect(eventually { host.isReady }, "\(host.log)")
    }

    @Test func whoIsAwayIsSpokenOfOnce() throws {
        let directory = try TemporaryDirectory()
        let lab = try Lab(hosts: 1, keys: ["requestTimeout": "200ms"])
        try lab.registry.configure(Lab.vxlan)
        let host = lab.hosts[0]
        try host.start(["--trace", directory.path("trace")])
        #expect(eventually { host.isReady }, "\(host.log)")
        lab.registry.pause(0)
        let tries = {
            (try? String(contentsOfFile: directory.path("trace"), encoding: .utf8))?
                .components(separatedBy: "kv/range: 0 ").count ?? 0
        }
        #expect(eventually { tries() > 8 }, "\(host.log)")
        lab.registry.pause(0, false)
        #expect(eventually { host.log.contains("all is well again") }, "\(host.log)")
        #expect(host.log.components(separatedBy: "overlayd: etcd: ").count == 2, "\(host.log)")
    }

    @Test(arguments: [
        ("http://", "lacks the host"), ("https://:2379", "lacks the host"),
        ("10.0.0.5:2379", "must begin with http://"),
    ])
    func whatIsWrongWithAMemberIsNamed(endpoint: String, problem: String) {
        let failure = #expect(throws: ConfigError.self) {
            try EtcdSettings(ConfigNode(["endpoints": ["http://[fd00::5]:2379", .string(endpoint)]]))
        }
        #expect(failure?.description.contains("endpoints[1]: \"\(endpoint)\" \(problem)") == true)
    }

    @Test func signedTokensEndWithEachChangeOfAUser() throws {
        let directory = try TemporaryDirectory()
        let (signing, checking) = (directory.path("jwt.key"), directory.path("jwt.pub"))
        for words in [["genrsa", "-out", signing], ["rsa", "-in", signing, "-pubout", "-out", checking]] {
            let outcome = try PluginProcess(Programs.path("openssl") ?? "openssl", arguments: words).run()
            try #require(outcome.exitCode == 0, "\(outcome.stderrText)")
        }
        let lab = try Lab(
            hosts: 0,
            etcd: ["--auth-token", "jwt,pub-key=\(checking),priv-key=\(signing),sign-method=RS256"]
        )
        let password = try directory.write("secret\n", to: "password")
        try lab.registry.put("config", "{}")
        try withClient(
            of: lab,
            lab.registry.endpoints,
            ["username": "root", "passwordFile": .string(password)]
        ) { client in
            // Nobody has switched the users on yet.
            #expect(try client.list(prefix: Registry.prefix).entries.count == 1)
            _ = try? lab.registry.type(["role", "add", "root"])
            for words in [
                ["user", "add", "root:secret"], ["user", "grant-role", "root", "root"], ["auth", "enable"],
            ] {
                try lab.registry.type(words)
            }
            // Now nobody without a token gets an answer, and then nobody with the old one.
            #expect(try client.list(prefix: Registry.prefix).entries.count == 1)
            try lab.registry.type(["--user", "root:secret", "user", "add", "other:secret"])
            #expect(try client.list(prefix: Registry.prefix).entries.count == 1)
            try lab.registry.type(["--user", "root:secret", "auth", "disable"])
            #expect(try client.list(prefix: Registry.prefix).entries.count == 1)
        }
    }
}
