// SPDX-License-Identifier: Apache-2.0

import CNI
import JSON
import Linux

/// The results of ADD on disk, in the files and the form of libcni, so that either can end what the other began.
struct ResultCache {
    /// Where libcni keeps them.
    let directory = "/var/lib/cni/results"

    /// Keeps the result of an ADD.
    ///
    /// Written under another name first, because a half-written file would be taken for no result after a power failure.
    func save(_ result: JSON, of container: Container, _ list: NetworkList) throws(CNIError) {
        var object = JSONObject([
            .init("kind", "cniCacheV1"), .init("containerId", .string(container.id)),
            .init("config", .string(Base64.encode(list.bytes))), .init("ifName", .string(container.interface)),
            .init("networkName", .string(list.name)),
        ])
        if !container.netns.isEmpty { object.append("netns", .string(container.netns)) }
        if !container.arguments.isEmpty {
            object.append("cniArgs", .array(container.arguments.map { .array([.string($0.key), .string($0.value)]) }))
        }
        if !container.capabilities.members.isEmpty { object.append("capabilityArgs", .object(container.capabilities)) }
        object.append("result", result)
        let (name, temporary) = (fileName(container, list), ".cnictl.\(processIdentifier())")
        try CNIError.attempt("keep the result in \(directory)/\(name)") { () throws(Errno) in
            try FileStatus.makeDirectories(directory, permissions: 0o700)
            let folder = try FileDescriptor.open(directory, [.read, .directory])
            let file = try folder.open(temporary, [.write, .create, .truncate], permissions: 0o600)
            try file.writeAll(JSON.object(object).serialize())
            try folder.rename(temporary, to: folder, as: name)
        }
    }

    /// The result of an ADD in the version of the list; nothing if none was kept.
    ///
    /// - Throws: If there is a file that cannot be understood.
    func result(of container: Container, _ list: NetworkList) throws(CNIError) -> JSON? {
        let name = fileName(container, list)
        guard let bytes = try? FileDescriptor.open("\(directory)/\(name)").readAll() else { return nil }
        let unreadable = CNIError(
            .decoding,
            "cannot read the kept result of network \(list.name)",
            "\(directory)/\(name) is not what libcni writes"
        )
        guard let json = try? JSON.parse(bytes), case .object(let object) = json else { throw unreadable }
        // Before there was a kind, the file held nothing but the result.
        let result = object["kind"] == .string("cniCacheV1") ? object["result"] ?? .null : json
        guard case .object(let fields) = result else { throw unreadable }
        do throws(ConfigError) {
            let read = try AddResult(ConfigNode(result, path: "result"), assuming: list.version)
            if fields["cniVersion"] == .string(list.version.description) { return result }
            return try? read.json(list.version)
        } catch {
            throw CNIError(.decoding, unreadable.message, "\(directory)/\(name): \(error.description)")
        }
    }

    /// Forgets the result of an ADD, if there is one.
    func remove(_ container: Container, _ list: NetworkList) {
        _ = try? FileDescriptor.open(directory, [.read, .directory]).remove(fileName(container, list))
    }

    /// The containers that were attached to a network and not yet detached, as far as files tell.
    func containers(of network: String) -> [Container] {
        guard let folder = try? FileDescriptor.open(directory, [.read, .directory]), let names = try? folder.names()
        else {
            return []
        }
        var containers: [Container] = []
        for name in names.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) where !name.hasPrefix(".") {
            guard let bytes = try? folder.open(name).readAll(), let json = try? JSON.parse(bytes) else { continue }
            guard case .object(let object) = json, object["kind"] == .string("cniCacheV1"),
                object["networkName"] == .string(network), let container = Container(cached: object)
            else {
                continue
            }
            containers.append(container)
        }
        return containers
    }

    private func fileName(_ container: Container, _ list: NetworkList) -> String {
        "\(list.name)-\(container.id)-\(container.interface)"
    }
}

extension Container {
    /// Reads what a cache file says of the container; nothing if it lacks what names one.
    fileprivate init?(cached object: JSONObject) {
        let node = ConfigNode(.object(object))
        guard let id = try? node.string("containerId"), Names.isIdentifier(id),
            let interface = try? node.string("ifName"),
            !interface.isEmpty
        else {
            return nil
        }
        self.init(id: id, netns: (try? node.string("netns")) ?? "", interface: interface)
        for pair in (try? node.elements("cniArgs")) ?? [] {
            guard case .array(let parts) = pair.json, parts.count == 2, case .string(let key) = parts[0],
                case .string(let value) = parts[1]
            else {
                continue
            }
            arguments.append((key, value))
        }
        if case .object(let capabilities)? = object["capabilityArgs"] { self.capabilities = capabilities }
    }
}
