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
            let isDone = error.kind == .ends && !options.endsAtOnce && !options.givesBack
            if !isDone {
                log(error.kind == .ends ? "told to end before it was done" : error.description)
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
    static func log(_ text: String) { StandardStreams.log(oneLine("overlayd: \(text)")) }

    /// A text in which nothing can begin another line or command a terminal: what others have written into a registry.
    private static func oneLine(_ text: String) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            // The control characters behind ASCII are a byte 0xC2 and one of these.
            let isControl = byte < 32 || byte == 127 || (bytes.last == 0xC2 && byte < 0xA0)
            if isControl, byte > 127 { bytes.removeLast() }
            bytes +=
                isControl
                ? [UInt8(ascii: "\\"), UInt8(ascii: "x"), digits[Int(byte >> 4)], digits[Int(byte & 15)]] : [byte]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func finish(_ text: String) -> Never {
        do { try StandardStreams.writeOutput(Array("\(text)\n".utf8)) } catch { endProcess(1) }
        endProcess(0)
    }
}
