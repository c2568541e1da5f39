// SPDX-License-Identifier: Apache-2.0

import Addressing
import JSON
import Linux

/// The directory in which host-local keeps the addresses of a network, as a reader sees it.
struct LeaseStore {
    /// An address that is taken.
    struct Lease {
        /// The address.
        let address: IPAddress
        /// Whose it is.
        let containerID: String
        /// The interface that has it; empty in files of old versions.
        let interface: String

        /// The lease in JSON output.
        var json: JSON {
            [
                "address": .string(address.description), "containerID": .string(containerID),
                "ifname": .string(interface),
            ]
        }
    }

    /// The directory of the network.
    let directory: String

    /// Finds the directory that a network uses.
    init(_ list: NetworkList) { directory = "\(Self.root(list))/\(list.name)" }

    /// The directory above those of all networks that share it.
    static func root(_ list: NetworkList) -> String {
        for plugin in list.plugins {
            if case .object(let ipam)? = plugin.document["ipam"], case .string(let path)? = ipam["dataDir"],
                path.hasPrefix("/")
            {
                return path.hasSuffix("/") ? String(path.dropLast()) : path
            }
        }
        return "/var/lib/cni/networks"
    }

    /// The leases in the order of their addresses; files of other names are the store's own and no leases.
    func leases() -> [Lease] {
        guard let folder = try? FileDescriptor.open(directory, [.read, .directory]), let names = try? folder.names()
        else {
            return []
        }
        var leases: [Lease] = []
        for name in names {
            guard let address = IPAddress(name), let bytes = try? folder.open(name).readAll() else { continue }
            let lines = bytes.split { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
                .map { String(decoding: $0, as: UTF8.self) }
            leases.append(
                Lease(address: address, containerID: lines.first ?? "", interface: lines.dropFirst().first ?? "")
            )
        }
        return leases.sorted { $0.address < $1.address }
    }
}
