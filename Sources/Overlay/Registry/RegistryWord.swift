// SPDX-License-Identifier: Apache-2.0

import CNI
import JSON
import Linux

/// When the registry last heard of this host.
///
/// How long ago that is does not depend on the time of day, which somebody may set: it is measured by a clock that runs
/// since the host started. The time of day is for people, and for a file that outlived a start of the host.
public struct RegistryWord: Equatable, Sendable {
    /// Seconds since the host started.
    let uptime: Int64
    /// Seconds since 1970.
    let time: Int64
    /// The identifier of the start of the host.
    let boot: String

    /// The present moment.
    public static func now() -> RegistryWord {
        RegistryWord(
            uptime: Clock.bootNanoseconds() / 1_000_000_000,
            time: Clock.realNanoseconds() / 1_000_000_000,
            boot: (try? Clock.bootIdentifier()) ?? ""
        )
    }

    private init(uptime: Int64, time: Int64, boot: String) {
        (self.uptime, self.time, self.boot) = (uptime, time, boot)
    }

    /// How many seconds have passed since then.
    public var age: Int64 {
        let now = Self.now()
        return now.boot == boot ? now.uptime - uptime : now.time - time
    }

    init(_ node: ConfigNode) throws(ConfigError) {
        guard let uptime = try node.integer("uptime", in: 0...Int64.max),
            let time = try node.integer("time", in: 0...Int64.max), let boot = try node.string("boot")
        else {
            throw node.fails("it is not complete")
        }
        self.init(uptime: uptime, time: time, boot: boot)
    }

    /// The part of the file for the plugin.
    var json: JSON {
        .object(
            JSONObject([
                .init("uptime", .number("\(uptime)")), .init("time", .number("\(time)")), .init("boot", .string(boot)),
            ])
        )
    }
}
