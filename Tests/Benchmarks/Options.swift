// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A family of rows that is measured together and can be asked for by name.
enum Group: String, CaseIterable {
    /// The start and end of a process.
    case version

    /// One attachment to a bridge and its removal.
    case bridge

    /// One lease, with few and with many others in the store.
    case leases = "host-local"

    /// One hundred attachments at once.
    case parallel

    /// An attachment to a bridge that has many ports.
    case ports

    /// The default chain of a runtime.
    case chain

    /// Twenty of these at once.
    case chains

    /// Ports of the host, from one to ten thousand.
    case mappings

    /// The way of packets through a tunnel.
    case tunnel

    /// One attachment to the overlay, and what many other hosts cost where a file lists them.
    case vxlan

    /// The daemon of the overlay.
    case overlay = "overlayd"

    /// Peak memory.
    case memory

    /// The sizes of the executables.
    case size
}

/// The arguments of the benchmark.
struct Options {
    /// The directory of our plugins.
    private(set) var ours = ""

    /// The directory of the Go plugins.
    private(set) var reference = ""

    /// The C program that does the least possible.
    private(set) var floor = ""

    /// How often each program is measured; dear rows take fewer.
    private(set) var rounds = 100

    /// Where to write every sample, if anywhere.
    private(set) var json: String?

    /// What to measure.
    private(set) var groups = Group.allCases

    /// The plugins that both directories must have.
    static let plugins = ["bridge", "host-local", "loopback", "portmap", "firewall", "tuning"]

    /// The text that explains the arguments.
    static let usage = """
        usage: Benchmarks --ours DIR --reference DIR --floor PROGRAM [--rounds N] [--json FILE] [--only NAME[,NAME]]
          --ours       the directory of our release executables
          --reference  the directory of the Go executables
          --floor      the program made from Tests/Benchmarks/floor/floor.c
          --rounds     how often each program is measured (100)
          --json       write every sample to this file
          --only       \(Group.allCases.map(\.rawValue).joined(separator: ", "))
        """

    /// Reads the arguments; paths become absolute.
    init(arguments: [String]) throws {
        var rest = arguments[...]
        while let name = rest.popFirst() {
            guard let value = rest.popFirst() else { throw Failure("\(name) needs a value\n\(Self.usage)", status: 2) }
            try set(name, value)
        }
        for (name, value) in [("--ours", ours), ("--reference", reference), ("--floor", floor)] where value.isEmpty {
            throw Failure("\(name) is missing\n\(Self.usage)", status: 2)
        }
    }

    /// Stores one argument.
    private mutating func set(_ name: String, _ value: String) throws {
        switch name {
        case "--ours": ours = try Self.absolute(value)
        case "--reference": reference = try Self.absolute(value)
        case "--floor": floor = try Self.absolute(value)
        case "--json": json = try Self.absolute(value)
        case "--rounds":
            guard let number = Int(value), number > 0 else { throw Failure("--rounds \(value): no count", status: 2) }
            rounds = number
        case "--only":
            groups = try value.split(separator: ",").map { name in
                guard let group = Group(rawValue: String(name)) else {
                    throw Failure("--only \(name): no such row\n\(Self.usage)", status: 2)
                }
                return group
            }
        default: throw Failure("\(name): no such argument\n\(Self.usage)", status: 2)
        }
    }

    /// The path from the root; one below /run is refused, because the benchmark hides that directory.
    private static func absolute(_ path: String) throws -> String {
        let full = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
        guard !full.hasPrefix("/run/") else {
            throw Failure("\(path): the benchmark covers /run with a file system of its own; use another place")
        }
        return full
    }

    /// Throws with the way out if a program or the place for the samples is not there.
    func check() throws {
        if let directory = json.map({ URL(fileURLWithPath: $0).deletingLastPathComponent().path }) {
            guard access(directory, W_OK) == 0 else { throw Failure("--json: cannot write to \(directory)") }
        }
        for plugin in Self.plugins {
            guard Self.isExecutable("\(ours)/\(plugin)") else {
                throw Failure("\(ours) has no executable \(plugin): run make release, or give another --ours")
            }
            guard Self.isExecutable("\(reference)/\(plugin)") else {
                throw Failure(
                    "\(reference) has no executable \(plugin): install Debian's containernetworking-plugins, "
                        + "or give another --reference"
                )
            }
        }
        guard Self.isExecutable(floor) else {
            throw Failure(
                "\(floor) is not an executable: run make bench, which builds it, or "
                    + "cc -O2 -o \(floor) Tests/Benchmarks/floor/floor.c -lmnl"
            )
        }
    }

    /// Whether the path is a regular file that can be run.
    private static func isExecutable(_ path: String) -> Bool {
        var isDirectory: ObjCBool = false
        let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
        return exists && !isDirectory.boolValue && access(path, X_OK) == 0
    }
}
