// SPDX-License-Identifier: Apache-2.0

import CNI
import JSON
import Linux

/// A network: the plugins that a container is attached with, and the version that all of them are spoken to in.
struct NetworkList {
    /// The name of the network.
    let name: String
    /// The version that was chosen.
    let version: Version
    /// Whether CHECK is to do nothing.
    let disablesCheck: Bool
    /// Whether GC is to do nothing, because another runtime uses a network of the same name.
    let disablesCollection: Bool
    /// Whether plugins come only from the file itself.
    let hasOnlyInlinedPlugins: Bool
    /// The plugins in the order of ADD.
    private(set) var plugins: [ListedPlugin]
    /// The file as it was read, for the cache.
    let bytes: [UInt8]

    /// Reads a list, or a single plugin as a list of one.
    init(_ bytes: [UInt8]) throws(CNIError) {
        let json: JSON
        do { json = try JSON.parse(bytes) } catch { throw CNIError(.decoding, "not JSON", error.description) }
        var node = ConfigNode(json)
        var bytes = bytes
        if case .object(let object) = json, object["plugins"] == nil, object["type"] != nil {
            let list = Self.wrapped(object)
            (node, bytes) = (ConfigNode(list), list.serialize())
        }
        do { try self.init(node, bytes) } catch { throw .configuration(error) }
        guard Names.isIdentifier(name) else {
            throw CNIError(.invalidConfiguration, "invalid characters found in network name", name)
        }
    }

    private init(_ node: ConfigNode, _ bytes: [UInt8]) throws(ConfigError) {
        guard let name = try node.string("name"), !name.isEmpty else { throw node.fails("name is missing") }
        self.name = name
        self.bytes = bytes
        version = try Self.version(node)
        disablesCheck = try Self.flag(node, "disableCheck")
        disablesCollection = try Self.flag(node, "disableGC")
        hasOnlyInlinedPlugins = try Self.flag(node, "loadOnlyInlinedPlugins")
        plugins = []
        guard let elements = try node.elements("plugins") else {
            if hasOnlyInlinedPlugins { throw node.fails("loadOnlyInlinedPlugins is true, and plugins is missing") }
            return
        }
        if elements.isEmpty { throw node.fails("plugins is empty") }
        for element in elements { plugins.append(try ListedPlugin(element)) }
    }

    /// Adds plugins from other files behind those of the list.
    mutating func append(_ more: [ListedPlugin]) { plugins += more }

    /// The same network with keys of its plugins of a type replaced.
    func replacing(_ members: [JSONObject.Member], in type: String) -> NetworkList {
        var list = self
        for index in list.plugins.indices where list.plugins[index].type == type {
            for member in members { list.plugins[index].document[member.key] = member.value }
        }
        return list
    }

    /// The network as the object of a file, with all plugins in it.
    var json: JSON {
        [
            "cniVersion": .string(version.description), "name": .string(name),
            "plugins": .array(plugins.map { .object($0.document) }),
        ]
    }

    /// The list that a file with a single plugin stands for.
    private static func wrapped(_ plugin: JSONObject) -> JSON {
        .object(
            JSONObject([
                .init("cniVersion", plugin["cniVersion"] ?? ""), .init("name", plugin["name"] ?? ""),
                .init("plugins", .array([.object(plugin)])),
            ])
        )
    }

    /// The highest version of ours among those that the network offers.
    private static func version(_ node: ConfigNode) throws(ConfigError) -> Version {
        let single = try node.string("cniVersion") ?? ""
        let many = try node.strings("cniVersions")
        var offered = many ?? []
        if many == nil || !single.isEmpty { offered.append(single) }
        guard let version = offered.compactMap({ Version($0) }).max() else {
            throw node.fails(
                "incompatible CNI versions: the network offers \(offered.joined(separator: ", ")), "
                    + "and only \(Version.list(separator: ", ")) are supported"
            )
        }
        return version
    }

    /// A truth value, which older files write as a string.
    private static func flag(_ node: ConfigNode, _ key: String) throws(ConfigError) -> Bool {
        guard let member = try node.member(key) else { return false }
        guard case .string(let text) = member.json else { return try member.bool() }
        switch text.lowercased() {
        case "true": return true
        case "false": return false
        default: throw member.fails("must be true or false, not \"\(text)\"")
        }
    }
}
