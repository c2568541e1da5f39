// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Linux
import Support
import SystemBus
import Testing

@testable import FirewallPlugin

/// What the plugin does with firewalld for an attachment.
@Suite(
    "The backend firewalld",
    .serialized,
    .enabled(if: Privileges.canMount, "needs the right to make mount namespaces"),
    .enabled(if: FirewalldHost.missing == nil, "needs \(FirewalldHost.missing ?? "")")
)
struct FirewalldBackendTests {
    private let host: FirewalldHost
    private let first = CNI.Attachment(network: "lan", containerID: "c1", interface: "eth0")
    private let second = CNI.Attachment(network: "lan", containerID: "c2", interface: "eth0")
    private let foreign = CNI.Attachment(network: "other", containerID: "c1", interface: "eth0")

    init() throws { host = try FirewalldHost() }

    private var records: String { host.directory.path("records") }

    private func recorded() throws -> [String] {
        guard let opened = try? FileDescriptor.open(records, [.read, .directory]) else { return [] }
        return try opened.names()
    }

    private func backend(_ attachment: CNI.Attachment, zone: String = "trusted") -> FirewalldBackend {
        FirewalldBackend(attachment, zone: zone, directory: records)
    }

    private func addresses(_ texts: String...) -> [Prefix] { texts.compactMap { Prefix($0) } }

    private func add(_ attachment: CNI.Attachment, _ texts: String...) throws {
        var undo = UndoStack()
        try backend(attachment).add(texts.compactMap { Prefix($0) }, undo: &undo)
    }

    /// The error of a body.
    private func failure(_ body: () throws(CNIError) -> Void) -> CNIError? {
        do { try body() } catch { return error }
        return nil
    }

    @Test func bothFamiliesAreAddedCheckedAndRemovedByTheRecordAlone() throws {
        try add(first, "10.1.0.2/24", "fd00::2/64")
        try add(second, "10.1.0.3/24")
        #expect(try host.sources() == ["10.1.0.2/32", "10.1.0.3/32", "fd00::2/128"])
        #expect(try recorded().count == 2)
        try backend(first).check(addresses("10.1.0.2/24", "fd00::2/64"))
        for _ in 0..<2 { try backend(first).remove([]) }
        #expect(try host.sources() == ["10.1.0.3/32"])
        #expect(try recorded().count == 1)
        try backend(second, zone: "public").remove(addresses("10.1.0.3/24"))
        #expect(try host.sources() == [])
        #expect(try recorded() == [])
    }

    @Test func whatTheReferenceAddedIsRemovedByItsAddress() throws {
        try host.bind("10.1.0.2/32", to: "trusted")
        try backend(first).remove(addresses("10.1.0.2/24"))
        #expect(try host.sources() == [])
    }

    @Test func afterEachStepNothingRemains() throws {
        try host.bind("10.1.0.9/32", to: "trusted")
        try add(second, "10.1.0.3/24")
        let before = try (host.sources(), recorded())
        for step in 1...3 {
            var undo = UndoStack(failAfter: step)
            var failure: CNIError?
            do throws(CNIError) {
                // The one that is there already makes no step, and nobody takes it away.
                let wanted = addresses("10.1.0.9/24", "10.1.0.2/24", "fd00::2/64")
                try backend(first).add(wanted, undo: &undo)
            } catch { failure = error }
            undo.unwind()
            #expect(failure?.message.contains("step \(step)") == true)
            #expect(try host.sources() == before.0, "step \(step)")
            #expect(try recorded() == before.1, "step \(step)")
        }
    }

    @Test func aSecondADDThatFailsLeavesTheFirstOnesRecord() throws {
        try add(first, "10.1.0.2/24")
        var undo = UndoStack(failAfter: 1)
        var failure: CNIError?
        do throws(CNIError) { try backend(first).add(addresses("10.1.0.3/24"), undo: &undo) } catch { failure = error }
        undo.unwind()
        #expect(failure != nil)
        #expect(try host.sources() == ["10.1.0.2/32"])
        let record = FirewalldRecord(first, in: records)
        #expect(record.read() == [.init(zone: "trusted", source: "10.1.0.2/32")])
        try backend(first).remove([])
        #expect(try host.sources() == [])
    }

    @Test func whatIsMissingIsFoundAndMayBeMissingForDEL() throws {
        try add(first, "10.1.0.2/24")
        try host.reload()
        #expect(try host.sources() == [])
        let drift = failure { () throws(CNIError) in try backend(first).check(addresses("10.1.0.2/24")) }
        #expect(drift?.code == 105)
        #expect(drift?.message == "the zone trusted of firewalld has no source 10.1.0.2/32")
        try backend(first).remove(addresses("10.1.0.2/24"))
        #expect(try recorded() == [])
    }

    @Test func garbageOfThisNetworkAloneIsCollected() throws {
        try add(first, "10.1.0.2/24")
        try add(second, "10.1.0.3/24")
        try add(foreign, "10.2.0.2/24")
        try host.directory.write("{", to: "records/broken.json")
        try FirewalldBackend.collect("lan", keeping: .unknown, directory: records)
        #expect(try host.sources().count == 3)
        try FirewalldBackend.collect("lan", keeping: .only([second]), directory: records)
        #expect(try host.sources() == ["10.1.0.3/32", "10.2.0.2/32"])
        try FirewalldBackend.collect("lan", keeping: .only([]), directory: records)
        #expect(try host.sources() == ["10.2.0.2/32"])
        try FirewalldBackend.collect("other", keeping: .only([]), directory: records)
        #expect(try host.sources() == [])
        #expect(try recorded() == ["broken.json"])
    }

    @Test func errorsSayWhatToDo() throws {
        try host.bind("10.1.0.9/32", to: "public")
        var undo = UndoStack()
        var failure: CNIError?
        do throws(CNIError) { try backend(first).add(addresses("10.1.0.9/24"), undo: &undo) } catch { failure = error }
        undo.unwind()
        #expect(failure?.code == 104)
        #expect(failure?.message == "cannot add the source 10.1.0.9/32 to the zone trusted")
        #expect(failure?.details.contains("firewall-cmd --get-zone-of-source") == true)
        #expect(try recorded() == [])
        try backend(first).probe()
        let status = self.failure { () throws(CNIError) in try backend(first, zone: "nozone").probe() }
        #expect(status?.code == 50)
        #expect(status?.details.contains("INVALID_ZONE") == true && status?.details.contains("firewalldZone") == true)
    }
}

/// What the plugin does where firewalld is not.
@Suite("The backend firewalld without it", .serialized)
struct FirewalldBackendAbsenceTests {
    private let directory: TemporaryDirectory
    private let attachment = CNI.Attachment(network: "lan", containerID: "c1", interface: "eth0")

    init() throws { directory = try TemporaryDirectory() }

    @Test func aRecordOfADaemonThatIsGoneIsRemoved() throws {
        BusAddress.set("unix:path=\(directory.path("none"))")
        defer { BusAddress.set(nil) }
        let records = directory.path("records")
        let record = FirewalldRecord(attachment, in: records)
        try record.write([.init(zone: "trusted", source: "10.1.0.2/32")])
        #expect(record.read() == [.init(zone: "trusted", source: "10.1.0.2/32")])
        #expect(!FirewalldBackend.isRunning)
        let backend = FirewalldBackend(attachment, zone: "trusted", directory: records)
        try backend.remove([])
        #expect(record.read() == [])
        #expect(try names(records) == [])
        var failures: [Int] = []
        do throws(CNIError) { try backend.probe() } catch { failures.append(error.code) }
        var undo = UndoStack()
        do throws(CNIError) { try backend.add(["10.1.0.2/24"].compactMap { Prefix($0) }, undo: &undo) } catch {
            failures.append(error.code)
        }
        undo.unwind()
        #expect(failures == [50, 104])
        #expect(try names(records) == [])
    }

    private func names(_ directory: String) throws -> [String] {
        let opened = try FileDescriptor.open(directory, [.read, .directory])
        return try opened.names()
    }
}
