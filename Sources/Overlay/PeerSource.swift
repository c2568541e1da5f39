// SPDX-License-Identifier: Apache-2.0

import Addressing
import JSON
import Linux

/// Where the hosts of an overlay are listed: in the configuration, and in a directory with a file for each.
public struct PeerSource: Sendable {
    private var listed: [Peer] = []
    private var directory: String?
    private let identifier: UInt32

    /// Reads the part of a configuration that is about the other hosts.
    public init(_ node: ConfigNode, identifier: UInt32) throws(ConfigError) {
        self.identifier = identifier
        for element in try node.elements("peers") ?? [] {
            if let peer = try Peer.read(element, identifier: identifier) { listed.append(peer) }
        }
        guard let path = try node.member("peersDir"), case let text = try path.string(), !text.isEmpty else { return }
        guard text.utf8.first == UInt8(ascii: "/") else { throw path.fails("\"" + text + "\" must begin with a slash") }
        directory = text
    }

    /// Whether nobody is listed anywhere.
    public var isEmpty: Bool { listed.isEmpty && directory == nil }

    /// All hosts that are listed now, this one among them perhaps.
    ///
    /// A file that cannot be understood is an error and not a host less: nobody loses connections over it.
    public func peers() throws(ConfigError) -> [Peer] {
        guard let directory else { return listed }
        var peers = listed
        for name in try names(in: directory) {
            let path = directory + "/" + name
            guard let bytes = try content(path) else {
                if try !names(in: directory).contains(name) { continue }
                throw ConfigError(path: path, problem: "it leads nowhere")
            }
            let json: JSON
            do { json = try JSON.parse(bytes) } catch { throw ConfigError(path: path, problem: error.description) }
            if let peer = try Peer.read(ConfigNode(json, path: path), identifier: identifier) { peers.append(peer) }
        }
        return peers
    }

    /// The names of the files that count; others are being written, or for people.
    private func names(in directory: String) throws(ConfigError) -> [String] {
        do {
            let names = try FileDescriptor.open(directory, [.read, .directory]).names()
            return names.filter {
                $0.utf8.first != UInt8(ascii: ".") && Array($0.utf8).suffix(5) == Array(".json".utf8)[...]
            }
        } catch {
            throw ConfigError(path: "peersDir", problem: "cannot read " + directory + ": " + error.description)
        }
    }

    /// What is in a file; nothing if it has been removed since it was listed.
    private func content(_ path: String) throws(ConfigError) -> [UInt8]? {
        do { return try FileDescriptor.open(path).readAll() } catch {
            if error == .noSuchFile { return nil }
            throw ConfigError(path: path, problem: error.description)
        }
    }
}
