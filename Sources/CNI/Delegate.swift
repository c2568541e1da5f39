// SPDX-License-Identifier: Apache-2.0

import JSON
import Linux

/// A plugin that another plugin calls: its executable and what it is told.
public struct Delegate: Sendable {
    private let path: String
    private let name: String
    private let environment: Environment
    private let input: [UInt8]
    private let signals: CInt

    /// Finds an executable by its type: the first regular file of that name in CNI_PATH.
    public init(type: String, environment: Environment, input: [UInt8], signals: CInt) throws(CNIError) {
        guard !type.utf8.contains(UInt8(ascii: "/")), type != ".", type != ".." else {
            throw CNIError(
                .invalidConfiguration,
                "invalid plugin name: \(type)",
                "it must be the name of a file in CNI_PATH"
            )
        }
        let directories = environment["CNI_PATH"] ?? ""
        guard !directories.isEmpty else {
            throw CNIError(
                .invalidEnvironment,
                "required env variables [CNI_PATH] missing",
                "it must tell where \(type) is"
            )
        }
        guard let path = Self.find(type, in: directories) else {
            let list = Array(directories.utf8).split(separator: UInt8(ascii: ":")).map {
                String(decoding: $0, as: UTF8.self)
            }
            throw CNIError(
                .delegate,
                "failed to find plugin \"\(type)\" in path [\(list.joined(separator: " "))]",
                "install it in one of these directories, or correct CNI_PATH"
            )
        }
        (self.path, name) = (path, type)
        (self.environment, self.input, self.signals) = (environment, input, signals)
    }

    /// The path of the first regular file of a name in a list of directories with colons between them.
    public static func find(_ name: String, in directories: String) -> String? {
        for directory in Array(directories.utf8).split(separator: UInt8(ascii: ":")) {
            let path = "\(String(decoding: directory, as: UTF8.self))/\(name)"
            if let status = try? FileStatus.of(path), status.isRegular { return path }
        }
        return nil
    }

    /// Starts the plugin with a command, with all else as we were called ourselves.
    public func start(_ command: String) throws(CNIError) -> RunningDelegate {
        var environment = environment
        environment["CNI_COMMAND"] = command
        // A plugin that is just being installed is busy for a moment.
        var attempt = 0
        while true {
            do {
                Trace.step("start \(path) \(command)")
                let child = try ChildProcess.start(path, environment: environment, input: input)
                // What removes something is let finish, even if we are told to end meanwhile.
                let removes = command == "DEL" || command == "GC"
                return RunningDelegate(child: child, name: name, command: command, signals: removes ? -1 : signals)
            } catch {
                guard error == .textBusy, attempt < 5 else {
                    throw CNIError(.delegate, "cannot run the plugin \(name)", "\(path): \(error.description)")
                }
                attempt += 1
                _ = Poll.isReadable(-1, timeoutMilliseconds: 1000)
            }
        }
    }

    /// Runs the plugin with a command to its end and returns what it printed.
    @discardableResult
    public func run(_ command: String) throws(CNIError) -> [UInt8] {
        var running = try start(command)
        return try running.finish()
    }
}

/// A delegate that was started and works beside us.
public struct RunningDelegate: ~Copyable {
    private var child: ChildProcess
    private let name: String
    private let command: String
    private let signals: CInt

    init(child: consuming ChildProcess, name: String, command: String, signals: CInt) {
        self.child = child
        (self.name, self.command, self.signals) = (name, command, signals)
    }

    /// Waits for the end and returns what the delegate printed; its failure is passed on unchanged.
    public mutating func finish() throws(CNIError) -> [UInt8] {
        let (name, command) = (name, command)
        let outcome: ChildProcess.Outcome
        do { outcome = try child.finish(signals: signals) } catch {
            throw CNIError(.delegate, "cannot wait for the plugin \(name)", error.description)
        }
        StandardStreams.forwardError(outcome.errorOutput)
        Trace.step("\(name) \(command) ended with \(outcome.exitCode ?? -outcome.signal)")
        if outcome.exitCode == 0 { return outcome.output }
        if Termination.isPending { throw .terminated }
        throw Self.failure(name, command, outcome)
    }

    private static func failure(_ name: String, _ command: String, _ outcome: ChildProcess.Outcome) -> CNIError {
        if let json = try? JSON.parse(outcome.output), case .object(let object) = json,
            let code = try? ConfigNode(json).integer("code", in: 1...Int64(UInt32.max)),
            case .string(let message)? = object["msg"]
        {
            var details = ""
            if case .string(let text)? = object["details"] { details = text }
            return CNIError(code: Int(code), message: message, details: details)
        }
        let end = outcome.exitCode.map { "with code \($0)" } ?? "by signal \(outcome.signal)"
        let said = outcome.errorOutput.isEmpty ? outcome.output : outcome.errorOutput
        let text = String(decoding: said.prefix(4096), as: UTF8.self)
        return CNIError(
            .delegate,
            "netplugin failed: \(name) ended \(end) without an error document",
            "\(command) printed: \"\(text)\""
        )
    }
}
