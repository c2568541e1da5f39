// SPDX-License-Identifier: Apache-2.0

import Foundation

extension Runner {
    /// The start and end of each plugin.
    func measureVersion() throws -> [Row] {
        try Options.plugins.map { plugin in
            var row = Row("\(plugin) VERSION", .milliseconds, ofFloor: 1.3, ofReference: 0.4)
            let least = Call(program: floor, arguments: ["version"])
            let mine = try ours.version(of: plugin)
            let theirs = try reference.version(of: plugin)
            for call in [least, mine, theirs] { try call.run() }
            try interleave(
                rounds,
                [
                    { _ in row.floor.append(try least.run()) },
                    { _ in row.ours.append(try mine.run()) },
                    { _ in row.reference.append(try theirs.run()) },
                ]
            )
            return row
        }
    }

    /// The sizes of the executables.
    func measureSize() throws -> [Row] {
        try Options.plugins.map { plugin in
            var row = Row("\(plugin) executable", .kibibytes)
            row.ours = [try Self.size(of: ours.path(of: plugin))]
            row.reference = [try Self.size(of: reference.path(of: plugin))]
            return row
        }
    }

    /// The size of a file in KiB; links are followed.
    private static func size(of path: String) throws -> Double {
        var status = stat()
        guard stat(path, &status) == 0 else { throw Failure("\(path): \(String(cString: strerror(errno)))") }
        return Double(status.st_size) / 1024
    }
}
