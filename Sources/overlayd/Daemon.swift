// SPDX-License-Identifier: Apache-2.0

import CNI
import JSON
import Linux

/// The program: from the command line to an exit code, 0 if all went well, 1 if not, 2 if it was called wrongly.
enum Daemon {
    /// Does what the command line asks for and ends the process.
    static func run() -> Never {
        let options: Options
        do throws(Options.Misuse) { options = try Options((try? ProcessArguments.current()) ?? []) } catch {
            StandardStreams.log("overlayd: \(error.problem)\n\n\(Options.usage)")
            endProcess(2)
        }
        if options.wantsHelp { finish(Options.usage) }
        if options.wantsVersion { finish("overlayd \(PluginMain.suiteVersion)") }
        if !options.trace.isEmpty { Trace.begin(to: options.trace, label: "overlayd") }
        do throws(Trouble) { try perform(options) } catch {
            if error.kind != .ends {
                log(error.description)
                endProcess(1)
            }
        }
        endProcess(0)
    }

    private static func perform(_ options: Options) throws(Trouble) {
        let signals: FileDescriptor
        do { signals = try Termination.hold() } catch {
            throw Trouble(.configuration, "hold signals back: \(error.description)")
        }
        let configuration: AgentConfiguration
        do { configuration = try AgentConfiguration(options) } catch {
            throw Trouble(.configuration, error.description)
        }
        let agent = try Agent(configuration, signals: signals.rawValue)
        if options.givesBack { return try agent.giveBack() }
        if options.endsAtOnce { return try agent.synchronise() }
        try agent.run()
    }

    /// Says something to whoever keeps the log, who also notes the time.
    static func log(_ text: String) { StandardStreams.log("overlayd: \(text)") }

    private static func finish(_ text: String) -> Never {
        do { try StandardStreams.writeOutput(Array("\(text)\n".utf8)) } catch { endProcess(1) }
        endProcess(0)
    }
}
