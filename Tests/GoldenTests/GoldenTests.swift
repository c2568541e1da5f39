// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// What plugins print and leave, as files that people can read; UPDATE_GOLDEN=1 writes them anew.
@Suite("Golden files", .ownNetworkNamespace)
struct GoldenTests {
    @Test func thereAreCasesForEveryPlugin() throws {
        let plugins = Set(try GoldenCase.all().map { $0.plugin })
        #expect(plugins.isSuperset(of: ["bridge", "host-local", "loopback", "tuning"]))
    }

    @Test(arguments: try GoldenCase.all())
    func theAnswersAndTheStateAreAsRecorded(golden: GoldenCase) throws {
        let directory = try TemporaryDirectory()
        let containers = try ["NETNS": "c", "BLUE": "b", "RED": "r"].mapValues { try ContainerNamespace(named: $0) }
        var paths = containers.map { (text: $0.value.path, name: "$\($0.key)") }
        paths += [(directory.path, "$DIR"), (Executables.directory, "$BIN")]
        var normaliser = Normaliser(known: paths)
        try prepare(golden, paths)
        var result = "null"
        for step in try golden.steps() {
            let expand = { (text: String) in
                paths.reduce(text.replacing("\"$RESULT\"", with: result)) { $0.replacing($1.name, with: $1.text) }
            }
            let command = step.split(separator: "-").last.map { String($0) } ?? ""
            var process = PluginProcess(Executables.path(golden.plugin))
            process.environment = ["CNI_COMMAND": command, "CNI_PATH": Executables.directory]
            for line in expand(try Golden.text("\(step)/environment")).split(separator: "\n") {
                let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map {
                    String($0)
                }
                process.environment[parts[0]] = parts.count > 1 ? parts[1] : nil
            }
            process.input = .bytes(Array(expand(try Golden.text("\(step)/stdin.json")).utf8))
            let outcome = try process.run()
            if command == "ADD", outcome.exitCode == 0 { result = outcome.stdoutText }
            expect("\(step)/stdout", normaliser.normalise(outcome.stdoutText))
            expect("\(step)/exit", "\(outcome.exitCode ?? -1)\n")
            let host =
                try StateText.namespace() + StateText.store(directory.path, leasesOnly: golden.plugin != "host-local")
            expect("\(step)/host", normaliser.normalise(host))
            let inside = try containers["NETNS"]?.inside { try StateText.namespace() } ?? ""
            expect("\(step)/container", normaliser.normalise(inside))
        }
    }

    private func expect(_ file: String, _ text: String, sourceLocation: SourceLocation = #_sourceLocation) {
        let isRecorded = FileManager.default.fileExists(atPath: Golden.path(file))
        if isRecorded || !text.isEmpty { expectGolden(file, text, sourceLocation: sourceLocation) }
    }

    /// Runs the lines of the file `prepare`, if the case has one, and writes the files that configurations name.
    private func prepare(_ golden: GoldenCase, _ paths: [(text: String, name: String)]) throws {
        guard let text = try? Golden.text("\(golden.folder)/prepare") else { return }
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let expanded = paths.reduce(String(line)) { $0.replacing($1.name, with: $1.text) }
            let outcome = try PluginProcess(
                "/bin/sh",
                arguments: ["-ec", "PATH=/usr/sbin:/usr/bin:/sbin:/bin; \(expanded)"]
            ).run()
            #expect(outcome.exitCode == 0, "\(expanded): \(outcome.stderrText)")
        }
    }
}
