// SPDX-License-Identifier: Apache-2.0

import Support
import SystemBus
import Testing

/// The real daemon, on a bus of the test's own.
@Suite(
    "firewalld",
    .serialized,
    .enabled(if: Privileges.canMount, "needs the right to make mount namespaces"),
    .enabled(if: FirewalldHost.missing == nil, "needs \(FirewalldHost.missing ?? "")")
)
struct FirewalldTests {
    private let host: FirewalldHost

    init() throws { host = try FirewalldHost() }

    @Test(arguments: ["10.1.0.2/32", "fd00::2/128"]) func aSourceComesAndGoes(source: String) throws {
        #expect(Firewalld.isRunning())
        var daemon = try Firewalld.open()
        let first = try daemon.addSource(source, to: "trusted")
        #expect(first)
        #expect(try host.sources() == [source])
        let (second, isThere) = (
            try daemon.addSource(source, to: "trusted"), try daemon.hasSource(source, in: "trusted")
        )
        #expect(!second && isThere)
        let isElsewhere = try daemon.hasSource(source, in: "public")
        #expect(!isElsewhere)
        let (removed, again) = (
            try daemon.removeSource(source, from: "trusted"), try daemon.removeSource(source, from: "trusted")
        )
        #expect(removed && !again)
        let isStillThere = try daemon.hasSource(source, in: "trusted")
        #expect(!isStillThere)
        #expect(try host.sources() == [])
    }

    @Test func whatAnotherZoneHasIsNotTaken() throws {
        try host.bind("10.1.0.9/32", to: "public")
        var daemon = try Firewalld.open()
        var failure: BusError?
        do { _ = try daemon.addSource("10.1.0.9/32", to: "trusted") } catch { failure = error }
        #expect(failure?.isOf("ZONE_CONFLICT") == true)
        #expect(failure?.name == "org.fedoraproject.FirewallD1.Exception")
        #expect(failure?.text.contains("10.1.0.9/32") == true)
        let isRemoved = try daemon.removeSource("10.1.0.9/32", from: "trusted")
        #expect(!isRemoved)
        #expect(try host.sources("public") == ["10.1.0.9/32"])
    }

    @Test func aZoneThatIsMissingIsAnErrorOnlyForWhoNeedsIt() throws {
        var daemon = try Firewalld.open()
        var failures: [BusError] = []
        do { _ = try daemon.addSource("10.1.0.2/32", to: "nozone") } catch { failures.append(error) }
        do { _ = try daemon.hasSource("10.1.0.2/32", in: "nozone") } catch { failures.append(error) }
        #expect(failures.map { $0.isOf("INVALID_ZONE") } == [true, true])
        let isRemoved = try daemon.removeSource("10.1.0.2/32", from: "nozone")
        #expect(!isRemoved)
    }

    @Test func aSourceThatIsNoneIsRefused() throws {
        var daemon = try Firewalld.open()
        var failure: BusError?
        do { _ = try daemon.addSource("10.1.0/x", to: "trusted") } catch { failure = error }
        #expect(failure?.isOf("INVALID_ADDR") == true, "\(failure?.description ?? "")")
    }
}
