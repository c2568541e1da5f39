// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Linux
import Support
import Testing

/// Programs that work beside the process that starts them.
@Suite struct ServiceTests {
    private let directory: TemporaryDirectory
    private var log: String { directory.path("log") }

    init() throws { directory = try TemporaryDirectory() }

    private func start(_ script: String) throws -> Service {
        try Service.start(
            "/bin/sh",
            arguments: ["-c", script],
            environment: Environment(["PATH=/usr/bin:/bin"]),
            log: log
        )
    }

    private func eventually(_ condition: () -> Bool) -> Bool {
        for _ in 0..<1000 {
            if condition() { return true }
            usleep(10_000)
        }
        return false
    }

    private var said: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }

    @Test func whatItSaysIsKept() throws {
        let service = try start("echo out; echo err >&2; cat")
        #expect(eventually { service.hasEnded })
        #expect(said == "out\nerr\n")
    }

    @Test func itIsAskedToEnd() throws {
        let service = try start("trap 'echo asked; exit' TERM; echo ready; while :; do sleep 0.01; done")
        #expect(eventually { said == "ready\n" })
        #expect(!service.hasEnded)
        service.stop(limitMilliseconds: 10_000)
        #expect(service.hasEnded)
        #expect(said == "ready\nasked\n")
    }

    @Test func whoDoesNotListenIsEndedWithAllThatItStarted() throws {
        let mark = UUID().uuidString
        let service = try start(
            "trap '' TERM; sh -c 'trap \"\" TERM; echo \(mark); while :; do sleep 0.1; done' & wait"
        )
        #expect(eventually { said == "\(mark)\n" })
        service.stop(limitMilliseconds: 100)
        let numbers = try FileManager.default.contentsOfDirectory(atPath: "/proc").filter { Int($0) != nil }
        let lines = numbers.compactMap { FileManager.default.contents(atPath: "/proc/\($0)/cmdline") }
        #expect(!lines.contains { String(decoding: $0, as: UTF8.self).contains(mark) })
    }

    @Test func aProgramThatIsMissingHasEnded() throws {
        let service = try Service.start(
            "/nonexistent",
            arguments: [],
            environment: Environment([]),
            log: log
        )
        #expect(eventually { service.hasEnded })
    }
}
