// SPDX-License-Identifier: Apache-2.0

import JSON
import Linux

/// What a runtime asks for: the environment and the configuration, both validated.
public struct Request<Configuration: PluginConfiguration>: Sendable {
    /// The version in which to answer.
    public let version: Version
    /// Whose attachment it is; of GC and STATUS only the network is known.
    public let attachment: Attachment
    /// The path of the container's network namespace; may be empty for DEL.
    public let netns: String
    /// What the plugin reads of the configuration.
    public let configuration: Configuration
    /// The configuration as it came in.
    public let document: JSONObject
    let input: [UInt8]
    let environment: Environment
    let signals: CInt

    /// The pairs of CNI_ARGS.
    public func arguments(known: [String]) throws(CNIError) -> Arguments {
        try Arguments(environment["CNI_ARGS"] ?? "", known: known)
    }

    /// The result of the plugins before this one, or of the whole ADD; nothing if there is none.
    public func previousResult() throws(CNIError) -> AddResult? {
        guard let json = document["prevResult"], json != .null else { return nil }
        let result: AddResult
        do { result = try AddResult(ConfigNode(json, path: "prevResult"), assuming: version) } catch {
            throw CNIError(.invalidConfiguration, "could not parse prevResult", error.description)
        }
        for (position, ip) in result.ips.enumerated() {
            guard let index = ip.interface, index >= result.interfaces.count else { continue }
            throw CNIError(
                .invalidConfiguration,
                "could not parse prevResult",
                "prevResult.ips[\(position)].interface: there is no interface \(index), only \(result.interfaces.count)"
            )
        }
        return result
    }

    /// The result of the whole ADD, which CHECK cannot do without.
    public func requiredPreviousResult() throws(CNIError) -> AddResult {
        guard let result = try previousResult() else {
            throw CNIError(
                .invalidConfiguration,
                "Required prevResult missing",
                "CHECK needs the result of ADD as prevResult"
            )
        }
        return result
    }

    /// Opens the container's namespace.
    public func openNamespace() throws(CNIError) -> NetworkNamespace {
        do { return try NetworkNamespace.open(netns) } catch { throw CNIError.namespace(netns, error) }
    }

    /// Opens the container's namespace if it still exists.
    ///
    /// - Throws: Code 8 if it may exist and cannot be opened, so that nothing is forgotten.
    public func openNamespaceIfExists() throws(CNIError) -> NetworkNamespace? {
        if netns.isEmpty { return nil }
        do {
            return try NetworkNamespace.open(netns)
        } catch {
            // A reboot leaves a plain file where a namespace was mounted.
            if [.noSuchFile, .notDirectory, .invalidArgument, .noSuchProcess].contains(error) { return nil }
            throw CNIError.namespace(netns, error)
        }
    }
}

extension CNIError {
    static func namespace(_ path: String, _ error: Errno) -> CNIError {
        let reason = error == .invalidArgument ? "it is not a network namespace" : error.description
        return CNIError(.invalidNamespace, "failed to open netns \"\(path)\"", "CNI_NETNS: \(reason)")
    }
}
