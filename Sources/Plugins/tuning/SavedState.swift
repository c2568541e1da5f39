// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import JSON
import Linux

/// The file that keeps what an interface was like before, so that DEL can give it back.
///
/// Name and content are the reference's, so that either suite can undo what the other did. One member more, which the
/// reference passes over, tells GC whose file it is.
struct SavedState {
    /// The directory of all such files.
    let directory: String
    private let network: String
    private let name: String
    private let temporaryName: String

    init(_ directory: String, _ attachment: Attachment) {
        self.directory = directory
        network = attachment.network
        name = Self.name(attachment)
        temporaryName = Self.temporaryName(attachment)
    }

    static func name(_ attachment: Attachment) -> String {
        "\(attachment.containerID)_\(attachment.interface).json"
    }

    /// The name of a file that is being written, short enough wherever the other one is.
    static func temporaryName(_ attachment: Attachment) -> String {
        ".new." + String(decoding: attachment.hash.utf8.prefix(16), as: UTF8.self)
    }

    private var path: String { "\(directory)/\(name)" }

    /// The content of the file; nothing if there is none.
    private func content() throws(Errno) -> [UInt8]? {
        do { return try FileDescriptor.open(path).readAll() } catch {
            if error == .noSuchFile || error == .notDirectory { return nil }
            throw error
        }
    }

    /// Adds values to the file, and has it as it was if a later step fails.
    ///
    /// Values that are there already are older, and so they stay: another call for the same interface has put them there.
    func save(_ values: [LinkProperty], undo: inout UndoStack) throws(CNIError) {
        let before = try CNIError.reading(path) { () throws(Errno) in try content() }
        var known: [LinkProperty] = []
        if let before, let (values, owner) = try? Self.parse(before), owner == nil || owner == network {
            known = values
        }
        let order = ["mac", "promisc", "mtu", "allmulti", "txQLen"]
        let all = known.filled(from: values)
        var object = JSONObject()
        for key in order { for value in all where value.key == key { object.append(key, value.json) } }
        object.append("network", .string(network))
        try write(JSON.object(object).serialize(indent: 1))
        let state = self
        try undo.push("take back \(path)") { () throws(CNIError) in
            if let before { return try state.write(before) }
            try state.remove()
        }
    }

    private func write(_ content: [UInt8]) throws(CNIError) {
        do throws(Errno) {
            // Those above are not only ours.
            if let slash = directory.utf8.lastIndex(of: UInt8(ascii: "/")), slash != directory.startIndex {
                try FileStatus.makeDirectories(String(directory[..<slash]))
            }
            try FileStatus.makeDirectories(directory, permissions: 0o700)
            let opened = try FileDescriptor.open(directory, [.read, .directory])
            let lock = try Self.lock(directory, shared: true)
            defer { withExtendedLifetime(lock) {} }
            try opened.remove(temporaryName)
            do throws(Errno) {
                let mode: FileDescriptor.Mode = [.write, .create, .exclusive]
                try opened.open(temporaryName, mode, permissions: 0o600).writeAll(content)
                try opened.rename(temporaryName, to: opened, as: name)
            } catch {
                _ = try? opened.remove(temporaryName)
                throw error
            }
        } catch {
            throw .inputOutput(error, "write \(path)")
        }
    }

    /// Locks the directory: whoever writes shares it, so who has it alone knows that nobody does.
    private static func lock(_ directory: String, shared: Bool) throws(Errno) -> FileLock {
        try FileLock.acquire(
            try FileDescriptor.open(directory, [.read, .directory]),
            shared: shared,
            limitMilliseconds: 3000
        )
    }

    /// What the interface was like before; nothing if there is no file, or one that nobody can read.
    func read() -> [LinkProperty]? {
        do throws(Errno) {
            guard let content = try content() else { return nil }
            do throws(ConfigError) { return try Self.parse(content).values } catch {
                StandardStreams.log("tuning: \(path) is not what ADD wrote, nothing is restored: \(error.description)")
                return []
            }
        } catch {
            StandardStreams.log("tuning: cannot read \(path), nothing is restored: \(error.description)")
            return []
        }
    }

    /// Removes the file, and what a killed ADD left of one.
    func remove() throws(CNIError) {
        do throws(Errno) {
            let opened = try FileDescriptor.open(directory, [.read, .directory])
            try opened.remove(temporaryName)
            try opened.remove(name)
        } catch {
            if error == .noSuchFile || error == .notDirectory { return }
            throw .inputOutput(error, "remove \(path)")
        }
    }

    /// Removes the files of a network's attachments that are not valid any more, and what killed ADDs left of any.
    ///
    /// A file that doesn't say whose it is stays: it is the reference's, and another network's container may need it.
    static func collect(in directory: String, of network: String, keeping valid: ValidAttachments) throws(CNIError) {
        guard case .only(let attachments) = valid else { return }
        let kept = attachments.map { name($0) }
        do throws(Errno) {
            let opened = try FileDescriptor.open(directory, [.read, .directory])
            for name in try opened.names()
            where name.utf8.reversed().starts(with: ".json".utf8.reversed()) && !kept.contains(name) {
                guard let content = try? opened.open(name).readAll(), let owner = (try? parse(content))?.owner,
                    owner == network
                else {
                    continue
                }
                try opened.remove(name)
                Trace.step("removed \(directory)/\(name)")
            }
            let left = try opened.names().filter { isTemporary($0) }
            if left.isEmpty { return }
            // While somebody writes, whose is whose cannot be told; the next collection comes.
            guard let lock = try? Self.lock(directory, shared: false) else { return }
            defer { withExtendedLifetime(lock) {} }
            for name in left { try opened.remove(name) }
        } catch {
            if error == .noSuchFile || error == .notDirectory { return }
            throw .inputOutput(error, "look through \(directory)")
        }
    }

    private static func isTemporary(_ name: String) -> Bool { name.begins(with: ".new.") }

    /// The values of a file, and the network that it belongs to.
    private static func parse(_ content: [UInt8]) throws(ConfigError) -> (values: [LinkProperty], owner: String?) {
        let json: JSON
        do { json = try JSON.parse(content) } catch { throw ConfigError(path: "", problem: error.description) }
        let node = ConfigNode(json)
        var values = try [LinkProperty].read(node).filter { $0 != .mtu(0) }
        if let text = try node.string("mac"), !text.isEmpty {
            guard let mac = MACAddress(text) else { throw node.fails("mac: \"\(text)\" is not a hardware address") }
            values.insert(.mac(mac), at: 0)
        }
        return (values, try node.string("network"))
    }

    /// Looks whether a file could be written, and makes nothing.
    static func probe(_ directory: String) throws(CNIError) {
        var place = directory
        var found: FileStatus?
        while true {
            found = (try? FileStatus.of(place)) ?? nil
            if found != nil { break }
            guard let slash = place.utf8.lastIndex(of: UInt8(ascii: "/")) else {
                place = "."
                continue
            }
            place = slash == place.startIndex ? "/" : String(place[..<slash])
        }
        if let found, found.isDirectory, FileStatus.isWritable(place) { return }
        throw CNIError(.notReady, "the directory for values to restore is not writable", "dataDir: \(directory)")
    }
}

extension CNIError {
    /// Has the failure of reading a file as an error with its path.
    fileprivate static func reading<R>(_ path: String, _ body: () throws(Errno) -> R) throws(CNIError) -> R {
        do { return try body() } catch { throw .inputOutput(error, "read \(path)") }
    }
}
