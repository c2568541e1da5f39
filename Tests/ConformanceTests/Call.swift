// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// A call of a plugin as a runtime makes it, which a test may spoil before it is made.
struct Call: Sendable, CustomStringConvertible {
    let plugin: String
    let command: String
    /// The whole environment of the process.
    var environment: [String: String]
    /// What is on standard input.
    var input: PluginProcess.Input
    /// What becomes of standard output.
    var output = PluginProcess.Output.collected

    /// Describes a call with a configuration.
    init(_ plugin: String, _ command: String, _ configuration: Value = [:], environment: [String: String] = [:]) {
        (self.plugin, self.command) = (plugin, command)
        self.environment = environment
        self.environment["CNI_COMMAND"] = command
        self.environment["CNI_PATH"] = environment["CNI_PATH"] ?? Executables.directory
        input = .bytes(Array(configuration.text.utf8))
    }

    /// What is started.
    var process: PluginProcess {
        var process = PluginProcess(Executables.path(plugin))
        (process.environment, process.input, process.output) = (environment, input, output)
        return process
    }

    /// The call as a line for the shell, as far as it can be shown.
    var description: String {
        let variables = environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value.debugDescription)" }
        guard case .bytes(let bytes) = input else { return "\(variables.joined(separator: " ")) \(plugin)" }
        let text = String(decoding: bytes.prefix(2000), as: UTF8.self).debugDescription
        return "\(variables.joined(separator: " ")) \(plugin) <<< \(text)"
    }

    /// This call with other variables; nil takes one away.
    func with(_ variables: [String: String?]) -> Call {
        var changed = self
        for (name, value) in variables { changed.environment[name] = value }
        return changed
    }

    /// Makes the call and expects what holds of every answer.
    @discardableResult
    func run(sourceLocation: SourceLocation = #_sourceLocation) throws -> Answer {
        try Answer(self, process.run(), sourceLocation: sourceLocation)
    }

    /// Starts the process, whose answer is read later.
    func start() throws -> RunningProcess { try process.start() }

    /// Reads the answer of a process that was started.
    func finish(_ running: RunningProcess, sourceLocation: SourceLocation = #_sourceLocation) throws -> Answer {
        try Answer(self, running.finish(), sourceLocation: sourceLocation)
    }
}

/// How a plugin answered.
struct Answer: CustomStringConvertible {
    let exitCode: Int?
    /// The document on standard output, or nothing if there was none.
    let document: Value?
    let stdout: String
    let stderr: String

    /// Whether the plugin reported success.
    var isSuccess: Bool { exitCode == 0 }
    /// The code of the error document.
    var code: Int? { isSuccess ? nil : document?["code"]?.int }
    /// Message and details of the error document.
    var complaint: String { "\(document?["msg"]?.string ?? ""): \(document?["details"]?.string ?? "")" }
    /// The document of a success.
    var result: Value { isSuccess ? document ?? .null : .null }
    /// The call and all that came of it.
    let description: String

    /// Reads an answer, and expects that it has one of the forms that the protocol allows.
    init(_ call: Call, _ outcome: PluginProcess.Outcome, sourceLocation: SourceLocation) throws {
        (exitCode, stdout, stderr) = (outcome.exitCode, outcome.stdoutText, outcome.stderrText)
        document = outcome.stdout.isEmpty ? nil : try? Value(parsing: outcome.stdout)
        let end = exitCode.map { "exit \($0)" } ?? "signal \(outcome.signal ?? 0)"
        description = "\(call): \(end), stdout \(stdout), stderr \(stderr)"
        let comment: Comment = "\(description)"
        #expect(!outcome.timedOut, comment, sourceLocation: sourceLocation)
        #expect(exitCode == 0 || exitCode == 1, comment, sourceLocation: sourceLocation)
        if !outcome.stdout.isEmpty {
            #expect(
                document != nil,
                "standard output must be one JSON document: \(comment)",
                sourceLocation: sourceLocation
            )
        }
        guard case .collected = call.output else { return }
        if isSuccess {
            let hasDocument = ["ADD", "VERSION"].contains(call.command)
            #expect((document != nil) == hasDocument, comment, sourceLocation: sourceLocation)
        } else {
            let faults = Schema.faults(ofError: document ?? .null)
            #expect(faults == [], comment, sourceLocation: sourceLocation)
        }
    }

    /// Expects success.
    @discardableResult
    func succeeded(sourceLocation: SourceLocation = #_sourceLocation) -> Answer {
        #expect(exitCode == 0, "\(self)", sourceLocation: sourceLocation)
        return self
    }

    /// Expects an error with a code, and that it says all of some texts.
    @discardableResult
    func failed(_ code: Int, _ texts: String..., sourceLocation: SourceLocation = #_sourceLocation) -> Answer {
        #expect(self.code == code, "\(self)", sourceLocation: sourceLocation)
        for text in texts where !text.isEmpty {
            #expect(complaint.contains(text), "\"\(text)\" is not in \(self)", sourceLocation: sourceLocation)
        }
        return self
    }
}
