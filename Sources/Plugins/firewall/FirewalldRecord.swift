// SPDX-License-Identifier: Apache-2.0

import CNI
import JSON
import Linux
import Rules

/// The file that tells which sources of a zone belong to an attachment.
///
/// A source of firewalld bears no name and no comment, so without it neither GC nor a DEL without a previous result could
/// know. It lives as long as what it tells of: neither survives a reboot.
struct FirewalldRecord {
    /// Where all such files are.
    static var directory: String { "/run/cni/firewalld" }

    /// A source and the zone that it is in.
    struct Entry: Equatable {
        let zone: String
        let source: String
    }

    private let directory: String
    private let attachment: Attachment
    private var name: String { attachment.digits + ".json" }

    init(_ attachment: Attachment, in directory: String) { (self.attachment, self.directory) = (attachment, directory) }

    /// What the file tells; nothing if there is none, or one that nobody can read.
    func read() -> [Entry] {
        guard let content = try? FileDescriptor.open("\(directory)/\(name)").readAll() else { return [] }
        return Self.parse(content)?.entries ?? []
    }

    /// Replaces the file as a whole.
    func write(_ entries: [Entry]) throws(CNIError) {
        let list = entries.map { entry in
            JSON.object(
                JSONObject([.init("zone", .string(entry.zone)), .init("source", .string(entry.source))])
            )
        }
        let object = JSONObject([
            .init("network", .string(attachment.network)), .init("containerID", .string(attachment.containerID)),
            .init("ifname", .string(attachment.interface)), .init("sources", .array(list)),
        ])
        do throws(Errno) {
            try FileStatus.makeDirectories(directory)
            let opened = try FileDescriptor.open(directory, [.read, .directory])
            let temporary = ".new." + name
            try opened.remove(temporary)
            let mode: FileDescriptor.Mode = [.write, .create, .exclusive]
            try opened.open(temporary, mode, permissions: 0o600).writeAll(JSON.object(object).serialize(indent: 1))
            try opened.rename(temporary, to: opened, as: name)
        } catch {
            throw .inputOutput(error, "write \(directory)/\(name)")
        }
    }

    /// Removes the file, and what a killed ADD left of one.
    func remove() throws(CNIError) {
        do throws(Errno) {
            let opened = try FileDescriptor.open(directory, [.read, .directory])
            try opened.remove(".new." + name)
            try opened.remove(name)
        } catch {
            if error == .noSuchFile || error == .notDirectory { return }
            throw .inputOutput(error, "remove \(directory)/\(name)")
        }
    }

    /// The attachments of a network that have a file.
    static func attachments(of network: String, in directory: String) throws(CNIError) -> [Attachment] {
        do throws(Errno) {
            let opened = try FileDescriptor.open(directory, [.read, .directory])
            var found: [Attachment] = []
            for name in try opened.names() {
                guard let content = try? opened.open(name).readAll(), let attachment = parse(content)?.attachment,
                    attachment.network == network
                else {
                    continue
                }
                found.append(attachment)
            }
            return found
        } catch {
            if error == .noSuchFile || error == .notDirectory { return [] }
            throw .inputOutput(error, "look through \(directory)")
        }
    }

    private static func parse(_ content: [UInt8]) -> (attachment: Attachment, entries: [Entry])? {
        guard let json = try? JSON.parse(content) else { return nil }
        let node = ConfigNode(json)
        do throws(ConfigError) {
            guard let network = try node.string("network"), let id = try node.string("containerID"),
                let interface = try node.string("ifname")
            else {
                return nil
            }
            var entries: [Entry] = []
            for element in try node.elements("sources") ?? [] {
                guard let zone = try element.string("zone"), let source = try element.string("source") else {
                    return nil
                }
                entries.append(Entry(zone: zone, source: source))
            }
            return (Attachment(network: network, containerID: id, interface: interface), entries)
        } catch {
            return nil
        }
    }
}
