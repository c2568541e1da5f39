// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import Linux
import SystemBus

/// Lets packets pass where firewalld decides: the container's addresses become sources of a zone.
///
/// What the reference does, and besides, each attachment has a record of what it added, so that DEL and GC need no previous
/// result. Rules of firewalld that are gone, with the daemon or by a reload, need not be removed.
struct FirewalldBackend {
    private let attachment: Attachment
    private let zone: String
    private let directory: String

    /// Describes the sources of an attachment in a zone.
    init(_ attachment: Attachment, zone: String, directory: String = FirewalldRecord.directory) {
        (self.attachment, self.zone, self.directory) = (attachment, zone, directory)
    }

    /// Whether firewalld runs on the host.
    static var isRunning: Bool { Firewalld.isRunning() }

    private var record: FirewalldRecord { FirewalldRecord(attachment, in: directory) }

    /// The address as firewalld writes it, with the length that stands for one host.
    private static func source(_ address: Prefix) -> String {
        "\(address.address.description)/\(address.hostLength)"
    }

    /// Adds addresses to the zone; what was there already is nobody's to undo.
    func add(_ addresses: [Prefix], undo: inout UndoStack) throws(CNIError) {
        let wanted = addresses.map { FirewalldRecord.Entry(zone: zone, source: Self.source($0)) }
        if wanted.isEmpty { return }
        let (record, before) = (record, record.read())
        // First, so that whoever comes after a kill knows of all that may be there.
        try record.write(before + wanted.filter { !before.contains($0) })
        try undo.push("take back the record of firewalld's sources") { () throws(CNIError) in
            if before.isEmpty { try record.remove() } else { try record.write(before) }
        }
        var daemon = try Self.connect()
        for entry in wanted {
            let isNew: Bool
            do throws(BusError) { isNew = try daemon.addSource(entry.source, to: entry.zone) } catch {
                throw CNIError(error)
            }
            if !isNew { continue }
            try undo.push("remove \(entry.source) from the zone \(entry.zone)") { () throws(CNIError) in
                try Self.remove([entry])
            }
        }
    }

    private static func connect() throws(CNIError) -> Firewalld {
        do { return try Firewalld.open() } catch { throw CNIError(error) }
    }

    /// Removes what the record tells of, and the given addresses, which the reference may have added.
    func remove(_ addresses: [Prefix]) throws(CNIError) {
        let known = record.read()
        let given = addresses.map { FirewalldRecord.Entry(zone: zone, source: Self.source($0)) }
        try Self.remove(known + given.filter { !known.contains($0) })
        try record.remove()
    }

    private static func remove(_ entries: [FirewalldRecord.Entry]) throws(CNIError) {
        if entries.isEmpty { return }
        do throws(BusError) {
            guard var daemon = try Firewalld.openIfExists() else { return }
            for entry in entries { _ = try daemon.removeSource(entry.source, from: entry.zone) }
        } catch {
            throw CNIError(error)
        }
    }

    /// Removes what belongs to attachments of a network that are not valid any more.
    static func collect(
        _ network: String,
        keeping valid: ValidAttachments,
        directory: String = FirewalldRecord.directory
    ) throws(CNIError) {
        var effort = BestEffort()
        for attachment in try FirewalldRecord.attachments(of: network, in: directory) {
            if valid.contains(containerID: attachment.containerID, interface: attachment.interface) { continue }
            effort.attempt { () throws(CNIError) in
                try FirewalldBackend(attachment, zone: "", directory: directory).remove([])
            }
        }
        try effort.finish()
    }

    /// Looks whether the zone still has the addresses.
    func check(_ addresses: [Prefix]) throws(CNIError) {
        if addresses.isEmpty { return }
        var missing: String?
        do throws(BusError) {
            var daemon = try Firewalld.open()
            for source in addresses.map({ Self.source($0) }) where try !daemon.hasSource(source, in: zone) {
                missing = missing ?? source
            }
        } catch {
            throw CNIError(error)
        }
        if let missing { throw CNIError.drifted("the zone \(zone) of firewalld has no source \(missing)") }
    }

    /// Looks whether an ADD could have its sources.
    func probe() throws(CNIError) {
        do throws(BusError) {
            var daemon = try Firewalld.open()
            // Any address will do: what counts is whether there is an answer for the zone.
            _ = try daemon.hasSource("192.0.2.1/32", in: zone)
        } catch {
            throw CNIError(.notReady, "cannot use firewalld", CNIError(error).details)
        }
    }
}

extension CNIError {
    /// Makes the failure of a call of firewalld, with the way out.
    init(_ error: BusError) {
        let hint: String =
            if error.isOf("INVALID_ZONE") {
                "; firewall-cmd --get-zones shows what zones there are, firewalldZone names one"
            } else if error.isOf("ZONE_CONFLICT") {
                "; firewall-cmd --get-zone-of-source shows in which one it is"
            } else if error.hasNoAddressee {
                "; firewalld does not run: start it, or set backend to nftables"
            } else {
                ""
            }
        let isLate = error.errno == .timedOut
        self.init(isLate ? .tryAgain : .rules, "cannot \(error.operation)", error.sentence + hint)
    }
}
