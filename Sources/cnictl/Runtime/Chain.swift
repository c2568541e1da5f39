// SPDX-License-Identifier: Apache-2.0

import CNI
import JSON
import Linux

/// The plugins of a network, called in the order and with the data that libcni gives them.
struct Chain {
    /// The network.
    let list: NetworkList
    /// The directories with the executables, with colons between them.
    let pluginPath: String
    /// What the plugins inherit.
    let environment: Environment
    /// The descriptor that tells of requests to end.
    let signals: CInt
    private let cache = ResultCache()

    /// Describes the calls to come.
    init(_ list: NetworkList, pluginPath: String, environment: Environment, signals: CInt) {
        (self.list, self.pluginPath, self.environment, self.signals) = (list, pluginPath, environment, signals)
    }

    /// Attaches a container and returns the result of the last plugin.
    ///
    /// As in libcni, what the plugins before a failed one did stays until DEL.
    func add(_ container: Container) throws(Failure) -> JSON {
        var result: JSON?
        for plugin in list.plugins {
            let output = try run(plugin, "ADD", container, previous: result)
            do { result = try checked(output) } catch { throw Failure(plugin.type, "ADD", error) }
        }
        let last = result ?? .null
        do { try cache.save(last, of: container, list) } catch { throw Failure(error) }
        return last
    }

    /// Looks whether a container is still attached as it should be.
    func check(_ container: Container) throws(Failure) {
        if list.version < .v0_4_0 {
            throw Failure(
                CNIError(
                    .incompatibleVersion,
                    "configuration version \"\(list.version.description)\" does not support CHECK command",
                    "CHECK came with 0.4.0"
                )
            )
        }
        if list.disablesCheck { return }
        let previous: JSON?
        do { previous = try cache.result(of: container, list) } catch { throw Failure(error) }
        for plugin in list.plugins { _ = try run(plugin, "CHECK", container, previous: previous) }
    }

    /// Detaches a container.
    func delete(_ container: Container) throws(Failure) {
        var previous: JSON?
        if list.version >= .v0_4_0 {
            // A damaged file is worth a note and nothing more: plugins find what is theirs without it.
            do { previous = try cache.result(of: container, list) } catch {
                StandardStreams.log("cnictl: \(error.description)")
            }
        }
        for plugin in list.plugins.reversed() { _ = try run(plugin, "DEL", container, previous: previous) }
        cache.remove(container, list)
    }

    /// Detaches all containers but the given ones, and has the plugins look for what else is left.
    ///
    /// - Returns: The failures, none of which keeps the rest from being done.
    func collect(keeping valid: [(id: String, interface: String)]) -> [Failure] {
        if list.disablesCollection { return [] }
        var failures: [Failure] = []
        for container in cache.containers(of: list.name) {
            if valid.contains(where: { $0.id == container.id && $0.interface == container.interface }) { continue }
            do { try delete(container) } catch { failures.append(error) }
        }
        if list.version < .v1_1_0 { return failures }
        let attachments = JSON.array(
            valid.map { ["containerID": .string($0.id), "ifname": .string($0.interface)] }
        )
        // The second key is the name that the first edition of the specification gave it.
        let extra = ["cni.dev/valid-attachments", "cni.dev/attachments"].map { JSONObject.Member($0, attachments) }
        for plugin in list.plugins {
            do { _ = try run(plugin, "GC", .none, previous: nil, extra: extra) } catch { failures.append(error) }
        }
        return failures
    }

    /// Asks the plugins whether an ADD could succeed; the first that says no decides.
    func status() throws(Failure) {
        if list.version < .v1_1_0 { return }
        for plugin in list.plugins { _ = try run(plugin, "STATUS", .none, previous: nil) }
    }

    private func run(
        _ plugin: ListedPlugin,
        _ command: String,
        _ container: Container,
        previous: JSON?,
        extra: [JSONObject.Member] = []
    ) throws(Failure) -> [UInt8] {
        var document = plugin.document
        document["name"] = .string(list.name)
        document["cniVersion"] = .string(list.version.description)
        if let previous { document["prevResult"] = previous }
        let wanted = plugin.capabilities.compactMap { key in
            container.capabilities[key].map { JSONObject.Member(key, $0) }
        }
        if !wanted.isEmpty { document["runtimeConfig"] = .object(JSONObject(wanted)) }
        for member in extra { document[member.key] = member.value }

        var environment = environment
        environment["CNI_CONTAINERID"] = container.id
        environment["CNI_NETNS"] = container.netns
        environment["CNI_IFNAME"] = container.interface
        environment["CNI_ARGS"] = container.argumentText
        environment["CNI_PATH"] = pluginPath
        do {
            let delegate = try Delegate(
                type: plugin.type,
                environment: environment,
                input: JSON.object(document).serialize(),
                signals: signals
            )
            return try delegate.run(command)
        } catch {
            throw Failure(plugin.type, command, error)
        }
    }

    /// What a plugin printed, once it is known to be a result; one without a version gets that of the list.
    private func checked(_ output: [UInt8]) throws(CNIError) -> JSON {
        guard let json = try? JSON.parse(output), case .object(var object) = json else {
            throw CNIError(
                .decoding,
                "the result is not a JSON object",
                "it begins with \"\(String(decoding: output.prefix(200), as: UTF8.self))\""
            )
        }
        do { _ = try AddResult(ConfigNode(json), assuming: list.version) } catch {
            throw CNIError(.decoding, "the result has a wrong shape", error.description)
        }
        if object["cniVersion"] == nil || object["cniVersion"] == "" {
            object["cniVersion"] = .string(list.version.description)
        }
        return .object(object)
    }
}
