// SPDX-License-Identifier: Apache-2.0

import CNI
import JSON
import Linux

/// A container and what a runtime tells plugins about it.
struct Container {
    /// The identifier.
    var id: String
    /// The path of the network namespace.
    var netns: String
    /// The name of the interface inside.
    var interface: String
    /// The pairs of CNI_ARGS.
    var arguments: [(key: String, value: String)] = []
    /// What capabilities are given, by the name of each.
    var capabilities = JSONObject()

    /// Describes a container.
    init(id: String, netns: String, interface: String) {
        (self.id, self.netns, self.interface) = (id, netns, interface)
    }

    /// Stands for no container, as in GC and STATUS.
    static var none: Container { Container(id: "", netns: "", interface: "") }

    /// The identifier that cnitool derives from the path of a namespace.
    static func identifier(forNamespace path: String) -> String {
        "cnitool-" + String(decoding: SHA512.hexadecimal(of: Array(path.utf8)).utf8.prefix(20), as: UTF8.self)
    }

    /// Reads pairs of the form "K=V;K=V".
    mutating func readArguments(_ text: String) throws(CNIError) {
        for segment in text.utf8.split(separator: UInt8(ascii: ";")) {
            let parts = segment.split(separator: UInt8(ascii: "="), omittingEmptySubsequences: false)
            guard parts.count == 2 else {
                throw CNIError(
                    .invalidEnvironment,
                    "invalid CNI_ARGS pair \"\(String(decoding: segment, as: UTF8.self))\"",
                    "each pair must have the form KEY=value; pairs are separated by semicolons"
                )
            }
            arguments.append((String(decoding: parts[0], as: UTF8.self), String(decoding: parts[1], as: UTF8.self)))
        }
    }

    /// Reads the values of capabilities from an object.
    mutating func readCapabilities(_ text: String) throws(CNIError) {
        if text.isEmpty { return }
        guard let json = try? JSON.parse(Array(text.utf8)), case .object(let object) = json else {
            throw CNIError(
                .invalidEnvironment,
                "CAP_ARGS is not a JSON object",
                "it must be like {\"portMappings\":[{\"hostPort\":8080,\"containerPort\":80,\"protocol\":\"tcp\"}]}"
            )
        }
        capabilities = object
    }

    /// The pairs as plugins get them.
    var argumentText: String { arguments.map { "\($0.key)=\($0.value)" }.joined(separator: ";") }
}
