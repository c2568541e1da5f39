// SPDX-License-Identifier: Apache-2.0

import CNI
import JSON
import Linux

/// The program: from the command line to an exit code, 0 if all went well, 1 if not, 2 if it was called wrongly.
enum Tool {
    /// Does what the command line asks for and ends the process.
    static func run() -> Never {
        let options: Options
        do throws(Options.Misuse) {
            options = try Options((try? ProcessArguments.current()) ?? [])
        } catch {
            misuse(error.problem)
        }
        guard let page = Usage.page(of: options.command) else { misuse("there is no command \"\(options.command)\"") }
        if options.wantsHelp || options.command == "help" { finish(page, 0) }
        do throws(Failure) {
            try perform(options)
        } catch {
            report(error, options)
            endProcess(1)
        }
        endProcess(0)
    }

    private static func perform(_ options: Options) throws(Failure) {
        let counts = [
            "add": 2...2, "check": 2...2, "del": 2...2, "gc": 1...2, "status": 1...2, "try": 1...1, "version": 0...0,
        ]
        guard let count = counts[options.command] else { misuse("a command is missing") }
        if !count.contains(options.operands.count) { misuse("wrong number of words for \(options.command)") }
        if options.command == "version" { finish(versions, 0) }
        let signals: FileDescriptor
        do { signals = try Termination.hold() } catch { throw Failure(CNIError(error, "hold signals back")) }
        if options.command == "try" {
            let outcome = try Trial.run(options, signals: signals.rawValue)
            endProcess(outcome ? 0 : 1)
        }
        try NetworkCommand(options, signals: signals.rawValue).run()
    }

    private static var versions: String {
        "cnictl \(PluginMain.suiteVersion)\nCNI protocol versions supported: \(Version.list(separator: ", "))"
    }

    /// Prints an error where and as it is wanted.
    private static func report(_ failure: Failure, _ options: Options) {
        StandardStreams.log("cnictl: \(failure.line)")
        guard options.wantsJSON else { return }
        print(failure.error.json(version: Version.newest.description))
    }

    /// Prints a document to standard output.
    static func print(_ json: JSON) { write(String(decoding: json.serialize(indent: 4), as: UTF8.self)) }

    /// Prints text to standard output, and ends the process if nobody reads it.
    static func write(_ text: String) {
        do { try StandardStreams.writeOutput(Array("\(text)\n".utf8)) } catch { endProcess(1) }
    }

    private static func finish(_ text: String, _ code: CInt) -> Never {
        write(text)
        endProcess(code)
    }

    private static func misuse(_ problem: String) -> Never {
        StandardStreams.log("cnictl: \(problem)\n\n\(Usage.overview)")
        endProcess(2)
    }
}
