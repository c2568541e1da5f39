// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import JSON
import Linux
import Overlay

/// What the daemon remembers of the subnet that this host had, over restarts of itself and of the host.
///
/// It is a wish and no proof: the registry decides, because a copy of a machine remembers the same.
struct AgentMemory: Equatable {
    /// The subnets that this host had last; none if it never had any.
    var subnets: [Prefix] = []
    /// Those of a version of IP that the network has no more.
    var former: [Prefix] = []
    /// The number of the lease in the registry; 0 if there is none.
    var lease: Int64 = 0
    /// How many seconds it was asked to last, which is not always what the registry made of that; 0 if nobody knows.
    var leaseSeconds = 0
    /// The address that the others know, and that of the interface below: a copy of a machine has another one of these.
    var (address, mac) = (IPAddress?.none, MACAddress?.none)
    /// The networks of all hosts.
    var networks: [Prefix] = []
    /// Since which start of the host that is so.
    var boot = ""

    /// Reads what was written before, if it can be read.
    init(_ path: String) {
        guard let bytes = try? FileDescriptor.open(path).readAll(), let json = try? JSON.parse(bytes) else { return }
        let node = ConfigNode(json, path: path)
        guard let subnets = try? node.prefixes("subnet"), let networks = try? node.prefixes("network"),
            let lease = try? node.string("lease"),
            let boot = try? node.string("boot")
        else {
            return
        }
        (self.subnets, self.networks) = (subnets, networks)
        (self.lease, self.boot) = (Int64(lease) ?? 0, boot)
        former = (try? node.prefixes("former")) ?? []
        leaseSeconds = (try? node.string("leaseTTL")).flatMap { Int($0) } ?? 0
        address = (try? node.string("address")).flatMap { IPAddress($0) }
        mac = (try? node.string("mac")).flatMap { MACAddress($0) }
    }

    /// Whether the lease was taken since this very machine was started, or one whose kernel it shares.
    var isOfThisBoot: Bool { (try? Clock.bootIdentifier()) == boot }

    /// The content of the file.
    var bytes: [UInt8] {
        let object = JSONObject([
            .init("subnet", .string(subnets.map { $0.description }.joined(separator: ","))),
            .init("former", .string(former.map { $0.description }.joined(separator: ","))),
            .init("network", .string(networks.map { $0.description }.joined(separator: ","))),
            .init("lease", .string("\(lease)")), .init("leaseTTL", .string("\(leaseSeconds)")),
            .init("boot", .string(boot)),
            .init("address", .string(address?.description ?? "")), .init("mac", .string(mac?.description ?? "")),
        ])
        return JSON.object(object).serialize(indent: 4) + [UInt8(ascii: "\n")]
    }
}

/// Files that others read at any time.
enum WholeFile {
    /// Writes a file under another name and renames it, so that nobody finds half of it.
    static func write(_ bytes: [UInt8], to path: String) throws(Trouble) {
        do throws(Errno) {
            let (directory, name) = try parts(path)
            try FileStatus.makeDirectories(directory)
            let folder = try FileDescriptor.open(directory, [.read, .directory])
            let temporary = ".\(name).\(processIdentifier())"
            do throws(Errno) {
                try folder.open(temporary, [.write, .create, .truncate]).writeAll(bytes)
                try folder.rename(temporary, to: folder, as: name)
            } catch {
                _ = try? folder.remove(temporary)
                throw error
            }
        } catch {
            throw Trouble(.passing, "cannot write \(path): \(error.description)")
        }
    }

    /// Removes a file that may be missing.
    static func remove(_ path: String) {
        guard let (directory, name) = try? parts(path),
            let folder = try? FileDescriptor.open(directory, [.read, .directory])
        else {
            return
        }
        _ = try? folder.remove(name)
    }

    private static func parts(_ path: String) throws(Errno) -> (directory: String, name: String) {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { throw .invalidArgument }
        let directory = String(decoding: Array(path.utf8[..<slash]), as: UTF8.self)
        let name = String(decoding: Array(path.utf8[slash...].dropFirst()), as: UTF8.self)
        return (directory.isEmpty ? "/" : directory, name)
    }
}
