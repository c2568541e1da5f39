// SPDX-License-Identifier: Apache-2.0

import CNI
import JSON

/// One plugin of a network, as the network's configuration describes it.
struct ListedPlugin {
    /// The name of the executable.
    let type: String
    /// The object of the configuration.
    var document: JSONObject
    /// What the plugin wants to be told at run time.
    let capabilities: [String]

    /// Reads the object of a plugin.
    init(_ node: ConfigNode) throws(ConfigError) {
        guard let type = try node.string("type"), !type.isEmpty else { throw node.fails("type is missing") }
        guard case .object(let document) = node.json else { throw node.fails("must be an object") }
        var capabilities: [String] = []
        for (key, value) in try node.member("capabilities")?.members() ?? [] where value.json != .null {
            if try value.bool() { capabilities.append(key) }
        }
        (self.type, self.document, self.capabilities) = (type, document, capabilities)
    }

    /// The type of the address management that it delegates to; empty if there is none.
    var ipamType: String {
        guard case .object(let ipam)? = document["ipam"], case .string(let type)? = ipam["type"] else { return "" }
        return type
    }
}
