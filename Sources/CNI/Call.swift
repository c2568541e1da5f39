// SPDX-License-Identifier: Apache-2.0

import JSON
import Linux

/// A call of the executable, validated as far as that does not depend on the plugin.
struct Call {
    let command: Command
    let version: Version
    private let environment: Environment
    private let input: [UInt8]
    private let document: JSONObject
    private let network: String
    private let signals: CInt

    /// Validates the environment, reads standard input, and validates what it says.
    ///
    /// The version of the configuration becomes `answerVersion` as soon as it is known, for the error document.
    init(
        _ plugin: String,
        _ commandName: String,
        _ environment: Environment,
        _ signals: CInt,
        answerVersion: inout Version
    ) throws(CNIError) {
        guard let command = Command(rawValue: commandName) else {
            throw CNIError(
                .invalidEnvironment,
                "unknown CNI_COMMAND: \(commandName)",
                "it must be ADD, CHECK, DEL, GC, STATUS or VERSION"
            )
        }
        (self.command, self.environment, self.signals) = (command, environment, signals)
        try Self.validate(environment, command)
        do { input = try StandardStreams.readInput(signals: signals) } catch {
            throw error == .interrupted ? .terminated : .inputOutput(error, "read standard input")
        }
        (document, network) = try Self.decode(input)
        if case .string(let target)? = document["trace"] { Trace.begin(to: target, label: "\(plugin) \(commandName)") }
        version = try Self.version(document, command)
        answerVersion = version
        guard !network.isEmpty else {
            throw CNIError(.invalidConfiguration, "missing network name", "name: every network needs one")
        }
        guard Names.isIdentifier(network) else {
            throw CNIError(.invalidConfiguration, "invalid characters found in network name", network)
        }
        if command == .add || command == .delete { try refuseOwnNamespace() }
    }

    private static func validate(_ environment: Environment, _ command: Command) throws(CNIError) {
        var missing: [String] = []
        for name in command.required {
            let value = environment[name] ?? ""
            if value.isEmpty {
                missing.append(name)
            } else if name == "CNI_CONTAINERID", !Names.isIdentifier(value) {
                throw CNIError(.invalidEnvironment, "invalid characters in containerID", value)
            } else if name == "CNI_IFNAME" {
                try Names.validateInterface(value)
            }
        }
        if missing.isEmpty { return }
        // Needed only by those that delegate, who complain themselves; but somebody who sets variables by hand should hear
        // of all of them at once.
        if (environment["CNI_PATH"] ?? "").isEmpty { missing.append("CNI_PATH") }
        throw CNIError(
            .invalidEnvironment,
            "required env variables [\(missing.joined(separator: ","))] missing",
            "\(command.rawValue) cannot do without them"
        )
    }

    private static func decode(_ input: [UInt8]) throws(CNIError) -> (JSONObject, String) {
        let json: JSON
        do { json = try JSON.parse(input) } catch {
            let message = "error unmarshall network config"
            throw CNIError(.decoding, message, input.isEmpty ? "standard input is empty" : error.description)
        }
        do {
            let node = ConfigNode(json == .null ? .object(JSONObject()) : json)
            let name = try node.string("name") ?? ""
            guard case .object(let document) = node.json else { return (JSONObject(), name) }
            return (document, name)
        } catch {
            throw CNIError(.decoding, "error unmarshall network config", error.description)
        }
    }

    private static func version(_ document: JSONObject, _ command: Command) throws(CNIError) -> Version {
        let text: String
        do { text = try ConfigNode(.object(document)).string("cniVersion") ?? "" } catch {
            throw CNIError(.decoding, "error unmarshall network config", error.description)
        }
        if let since = command.since {
            guard let number = VersionNumber(text.isEmpty ? "0.1.0" : text) else {
                throw CNIError(.decoding, "cniVersion \"\(text)\" is not a version", "it must be like 1.1.0")
            }
            if number.isOlder(than: since) {
                throw CNIError(
                    .incompatibleVersion,
                    "config version does not allow \(command.rawValue)",
                    "config is \"\(text)\", \(command.rawValue) came with \(since.description)"
                )
            }
        }
        guard let version = Version(text) else {
            throw CNIError(
                .incompatibleVersion,
                "incompatible CNI versions",
                "config is \"\(text)\", plugin supports [\(Version.allCases.map { "\"\($0.description)\"" }.joined(separator: " "))]"
            )
        }
        return version
    }

    /// Refuses to treat the host as a container, before anything is done; a namespace that cannot be opened is not ours.
    private func refuseOwnNamespace() throws(CNIError) {
        if Names.isTrue(environment["CNI_NETNS_OVERRIDE"] ?? "") { return }
        guard let path = environment["CNI_NETNS"], !path.isEmpty, NetworkNamespace.isCurrent(path) else { return }
        throw CNIError(
            .invalidNamespace,
            "plugin's netns and netns from CNI_NETNS should not be the same",
            "CNI_NETNS is \(path); set CNI_NETNS_OVERRIDE=1 if that is meant"
        )
    }

    /// The request for a plugin, with its configuration read.
    func request<C: PluginConfiguration>() throws(CNIError) -> Request<C> {
        let configuration: C
        do { configuration = try C(ConfigNode(.object(document))) } catch { throw .configuration(error) }
        let attachment = Attachment(
            network: network,
            containerID: environment["CNI_CONTAINERID"] ?? "",
            interface: environment["CNI_IFNAME"] ?? ""
        )
        return Request(
            version: version,
            attachment: attachment,
            netns: environment["CNI_NETNS"] ?? "",
            configuration: configuration,
            document: document,
            input: input,
            environment: environment,
            signals: signals
        )
    }

    /// The attachments that are alive, under the key's new or old name; null says that there are none.
    func validAttachments() throws(CNIError) -> ValidAttachments {
        let key = "cni.dev/valid-attachments"
        guard let json = document[key] ?? document["cni.dev/attachments"] else { return .unknown }
        if json == .null { return .only([]) }
        var attachments: [Attachment] = []
        do throws(ConfigError) {
            for node in try ConfigNode(json, path: key).elements() {
                guard let id = try node.string("containerID"), let interface = try node.string("ifname") else {
                    throw node.fails("containerID and ifname must be given")
                }
                attachments.append(Attachment(network: network, containerID: id, interface: interface))
            }
        } catch {
            throw .configuration(error)
        }
        return .only(attachments)
    }
}
