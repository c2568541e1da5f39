// SPDX-License-Identifier: Apache-2.0

import JSON
import Linux

/// A call of a plugin by hand: a word, and perhaps the file of a network instead of standard input.
///
/// The file is one that runtimes read as well: a list of plugins, of which those of the plugin's type count, or one plugin's
/// configuration alone.
struct ManualCall {
    private let word: String
    private let file: String?

    /// Reads the command line; nothing if it does not begin with one of the words.
    init?(_ words: [String]) {
        if words.isEmpty { return nil }
        guard let arguments = try? ProcessArguments.current(), let word = arguments.first, words.contains(word) else {
            return nil
        }
        self.word = word
        file = arguments.dropFirst().first
    }

    /// Does what the word asks, for each plugin of the file, and says how it went.
    func run<P: Plugin>(_ plugin: P, _ environment: Environment, _ signals: CInt) -> Bool {
        do throws(CNIError) {
            for document in try documents(P.name, signals) {
                let request: Request<P.Configuration> = try request(document, environment, signals)
                let text = try plugin.perform(word, request)
                do { try StandardStreams.writeOutput(Array(text.utf8) + [UInt8(ascii: "\n")]) } catch { return false }
            }
            return true
        } catch {
            StandardStreams.log("\(P.name) \(word): \(error.description)")
            return false
        }
    }

    private func read(_ signals: CInt) throws(CNIError) -> [UInt8] {
        if let file, file != "-", file.begins(with: "-") {
            throw CNIError(
                .invalidEnvironment,
                "unknown option " + file,
                "give a network's file, or it on standard input"
            )
        }
        do {
            guard let file, file != "-" else { return try StandardStreams.readInput(signals: signals) }
            return try FileDescriptor.open(file).readAll()
        } catch {
            throw CNIError.inputOutput(error, "read \(file ?? "standard input")")
        }
    }

    private func documents(_ type: String, _ signals: CInt) throws(CNIError) -> [JSONObject] {
        let json: JSON
        let input = try read(signals)
        do { json = try JSON.parse(input) } catch {
            throw CNIError(.decoding, "error unmarshall network config", error.description)
        }
        guard case .object(let object) = json else {
            throw CNIError(.decoding, "error unmarshall network config", "it must be an object")
        }
        guard case .array(let plugins)? = object["plugins"] else { return [object] }
        var documents: [JSONObject] = []
        for case .object(var plugin) in plugins where plugin["type"] == .string(type) {
            // As a runtime does it, a plugin of a list gets name and version of the list.
            plugin["name"] = object["name"]
            plugin["cniVersion"] = object["cniVersion"]
            documents.append(plugin)
        }
        guard !documents.isEmpty else {
            throw CNIError(.invalidConfiguration, "no plugin of the list has the type \(type)", "plugins")
        }
        return documents
    }

    private func request<C: PluginConfiguration>(
        _ document: JSONObject,
        _ environment: Environment,
        _ signals: CInt
    ) throws(CNIError) -> Request<C> {
        do throws(ConfigError) {
            let node = ConfigNode(.object(document))
            let network = try node.string("name") ?? ""
            if network.isEmpty || !Names.isIdentifier(network) {
                throw ConfigError(path: "name", problem: "\"\(network)\" is not the name of a network")
            }
            return Request(
                version: Version(try node.string("cniVersion") ?? "") ?? .newest,
                attachment: Attachment(network: network, containerID: "", interface: ""),
                netns: "",
                configuration: try C(node),
                document: document,
                input: JSON.object(document).serialize(),
                environment: environment,
                signals: signals
            )
        } catch {
            throw .configuration(error)
        }
    }
}
