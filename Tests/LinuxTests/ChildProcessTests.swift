// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Linux
import Support
import Testing

/// Programs that are started, fed and waited for.
@Suite struct ChildProcessTests {
    private static func run(
        _ script: String,
        arguments: [String] = [],
        environment: [String] = ["PATH=/usr/bin:/bin"],
        input: [UInt8] = [],
        signals: CInt = -1
    ) throws -> ChildProcess.Outcome {
        let arguments = ["-c", script, "sh"] + arguments
        return try start("/bin/sh", arguments, environment: environment, input: input, signals: signals)
    }

    @discardableResult
    private static func start(
        _ path: String,
        _ arguments: [String] = [],
        environment: [String] = [],
        input: [UInt8] = [],
        signals: CInt = -1
    ) throws(Errno) -> ChildProcess.Outcome {
        var child = try ChildProcess.start(
            path,
            arguments: arguments,
            environment: Environment(environment),
            input: input
        )
        return try child.finish(signals: signals)
    }

    @Test(arguments: [0, 1, 42, 255])
    func theExitCodeIsReported(code: Int) throws {
        let outcome = try Self.run("exit \(code)")
        #expect(outcome.exitCode == code)
        #expect(outcome.signal == 0)
    }

    @Test(arguments: [SIGKILL, SIGTERM, SIGSEGV])
    func theSignalIsReported(signal: CInt) throws {
        let outcome = try Self.run("kill -\(signal) $$")
        #expect(outcome.exitCode == nil)
        #expect(outcome.signal == Int(signal))
    }

    @Test func theEnvironmentIsExactlyTheOneGiven() throws {
        let environment = ["A=1", "EMPTY=", "SPACES=a b  c", "UMLAUT=ä€😀", "EQUALS=a=b=c", "LINES=a\nb"]
        let outcome = try Self.start("/usr/bin/env", ["-0"], environment: environment)
        #expect(String(decoding: outcome.output, as: UTF8.self) == environment.map { $0 + "\0" }.joined())
    }

    @Test func argumentsArriveAsTheyAre() throws {
        let arguments = ["", "a b", "ä€😀", "-n", "\"'\\", "line\nbreak", String(repeating: "x", count: 100_000)]
        let outcome = try Self.run("for a; do printf '%s\\0' \"$a\"; done", arguments: arguments)
        #expect(String(decoding: outcome.output, as: UTF8.self) == arguments.map { $0 + "\0" }.joined())
    }

    @Test func anEmptyEnvironmentAndNoArgumentsArePossible() throws {
        let outcome = try Self.start("/usr/bin/env")
        #expect(outcome.exitCode == 0)
        #expect(outcome.output.isEmpty)
    }

    @Test func aMegabyteOfInputArrives() throws {
        var generator = SeededGenerator("aMegabyteOfInputArrives")
        let input = generator.bytes(1 << 20)
        let outcome = try Self.start("/bin/cat", input: input)
        #expect(outcome.output == input)
    }

    @Test func inputThatIsNotReadIsNoError() throws {
        let outcome = try Self.run("exit 3", input: [UInt8](repeating: 65, count: 1 << 20))
        #expect(outcome.exitCode == 3)
    }

    @Test func outputAndErrorMayBothBeLarge() throws {
        // In turn and in pieces larger than a pipe holds, so that reading one after the other would block for ever.
        let script = "for i in 1 2 3; do head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2; done"
        let outcome = try Self.run(script)
        #expect(outcome.output.count == 900_000)
        #expect(outcome.errorOutput.count == 900_000)
        #expect(outcome.exitCode == 0)
    }

    @Test func whatClosesItsStreamsIsStillWaitedFor() throws {
        let outcome = try Self.run("exec >&- 2>&-; sleep 0.1; exit 7")
        #expect(outcome.exitCode == 7)
    }

    @Test func aProgramIsEndedEarlyWhenTold() throws {
        let pipe = try Pipe.open()
        #expect(write(pipe.writer.rawValue, "x", 1) == 1)
        let start = Clock.monotonicNanoseconds()
        let outcome = try Self.run("exec sleep 60", signals: pipe.reader.rawValue)
        #expect(outcome.signal == Int(SIGTERM))
        #expect(Clock.monotonicNanoseconds() - start < 20_000_000_000)
    }

    @Test func aProgramThatIsToldToEndMayAnswer() throws {
        let pipe = try Pipe.open()
        let writer = pipe.writer
        let directory = try TemporaryDirectory()
        let ready = directory.path("ready")
        let thread = BackgroundThread {
            // Before that the signal would end it.
            _ = eventually { FileManager.default.fileExists(atPath: ready) }
            return write(writer.rawValue, "x", 1)
        }
        let script = "trap 'echo cleaned up; exit 5' TERM; : > \(ready); while :; do sleep 0.02; done"
        let outcome = try Self.run(script, signals: pipe.reader.rawValue)
        #expect(thread.join() == 1)
        #expect(outcome.exitCode == 5)
        #expect(String(decoding: outcome.output, as: UTF8.self) == "cleaned up\n")
    }

    @Test func signalSettingsAreNotInherited() throws {
        Signals.ignoreBrokenPipes()
        let blocked = BackgroundThread { () -> [UInt8] in
            var set = sigset_t()
            sigemptyset(&set)
            sigaddset(&set, SIGTERM)
            pthread_sigmask(SIG_BLOCK, &set, nil)
            // Without the first digits, where the C library keeps two signals for itself.
            let script = "grep -E '^Sig(Blk|Ign)' /proc/self/status | sed 's/[0-9a-f]*\\(.......\\)$/\\1/'"
            return (try? Self.run(script).output) ?? []
        }
        let text = String(decoding: blocked.join(), as: UTF8.self)
        #expect(text == "SigBlk:\t0000000\nSigIgn:\t0000000\n")
    }

    @Test func ourDescriptorsAreNotInherited() throws {
        let directory = try TemporaryDirectory()
        let file = try FileDescriptor.open(try directory.write("", to: "file"))
        let outcome = try Self.start("/bin/ls", ["-l", "/proc/self/fd"])
        #expect(!String(decoding: outcome.output, as: UTF8.self).contains(directory.path))
        #expect(file.rawValue > 2)
    }

    @Test(arguments: [
        ("/nonexistent/plugin", Errno.noSuchFile), ("/etc/passwd", Errno(EACCES)), ("/tmp", Errno(EACCES)),
    ])
    func whatCannotBeStartedSaysWhy(path: String, error: Errno) {
        #expect(throws: error) { try Self.start(path) }
    }

    @Test func aFileThatIsBeingWrittenIsBusy() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path("plugin")
        try FileManager.default.copyItem(atPath: "/bin/true", toPath: path)
        let writer = try FileDescriptor.open(path, .write)
        #expect(throws: Errno.textBusy) { try Self.start(path) }
        withExtendedLifetime(writer.rawValue) {}
    }

    @Test func aProgramThatNobodyWaitsForAnyMoreIsToldToEnd() throws {
        let directory = try TemporaryDirectory()
        let file = directory.path("file")
        // It takes its time over the end, and only then is the value gone.
        let script =
            "trap 'sleep 0.1; echo ended > \(file); exit' TERM; echo > \(file).ready; sleep 20 >/dev/null 2>&1 & wait"
        do {
            let environment = Environment(["PATH=/usr/bin:/bin"])
            let child = try ChildProcess.start(
                "/bin/sh",
                arguments: ["-c", script],
                environment: environment,
                input: []
            )
            while !FileManager.default.fileExists(atPath: "\(file).ready") { usleep(1000) }
            withExtendedLifetime(child) {}
        }
        #expect(FileManager.default.fileExists(atPath: file))
    }

    @Test func aFailedStartLeavesNoDescriptors() throws {
        // More often than a process may have descriptors.
        for _ in 0..<2000 {
            #expect(throws: Errno.noSuchFile) { try Self.start("/nonexistent") }
        }
    }
}
