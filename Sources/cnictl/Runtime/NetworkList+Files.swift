// SPDX-License-Identifier: Apache-2.0

import CNI
import JSON
import Linux

/// Where networks come from.
extension NetworkList {
    /// Reads a file, and the plugins that a folder with the network's name beside the file adds to it.
    static func load(_ path: String) throws(CNIError) -> NetworkList {
        do throws(CNIError) {
            let bytes = try read(path)
            var list = try NetworkList(bytes)
            // A single plugin was always complete in itself; its list is not the bytes of its file.
            if !list.hasOnlyInlinedPlugins, list.bytes == bytes {
                list.append(try folder("\(directory(of: path))/\(list.name)"))
            }
            if list.plugins.isEmpty {
                throw CNIError(
                    .invalidConfiguration,
                    "no plugin configs found",
                    "the list has no plugins, and there is no folder \(list.name) with .conf files beside it"
                )
            }
            return list
        } catch {
            let details = error.details.isEmpty ? path : "\(path): \(error.details)"
            throw CNIError(code: error.code, message: error.message, details: details)
        }
    }

    /// Finds a network by its name: first among the lists, then among the files with a single plugin.
    static func find(_ name: String, in directory: String) throws(CNIError) -> NetworkList {
        let names: [String]
        do { names = try FileDescriptor.open(directory, [.read, .directory]).names() } catch {
            throw CNIError(
                .invalidConfiguration,
                "no net configurations found in \(directory)",
                "\(error.description); NETCONFPATH tells where they are"
            )
        }
        var seen: [String] = []
        for endings in [[".conflist"], [".conf", ".json"]] {
            for file in sorted(names, endings) {
                let path = "\(directory)/\(file)"
                guard let found = nameInside(path) else { continue }
                if found == name { return try load(path) }
                seen.append(found)
            }
        }
        let there = seen.isEmpty ? "there is none" : "there are \(seen.joined(separator: ", "))"
        throw CNIError(
            .invalidConfiguration,
            "no net configuration with name \"\(name)\" in \(directory)",
            "\(there); NETCONFPATH tells where they are"
        )
    }

    /// The name of the network in a file; nothing, with a note, if the file cannot be understood.
    private static func nameInside(_ path: String) -> String? {
        do throws(CNIError) {
            let bytes = try read(path)
            if let json = try? JSON.parse(bytes), case .object(let object) = json,
                case .string(let name)? = object["name"]
            {
                return name
            }
            StandardStreams.log("cnictl: \(path) is passed over: it is not JSON with a name")
        } catch {
            StandardStreams.log("cnictl: \(path) is passed over: \(error.description)")
        }
        return nil
    }

    /// The plugins in the files of a folder, which need not exist.
    private static func folder(_ path: String) throws(CNIError) -> [ListedPlugin] {
        let names: [String]
        do { names = try FileDescriptor.open(path, [.read, .directory]).names() } catch {
            if error == .noSuchFile || error == .notDirectory { return [] }
            throw .inputOutput(error, "read the folder \(path)")
        }
        var plugins: [ListedPlugin] = []
        for name in sorted(names, [".conf"]) {
            let file = "\(path)/\(name)"
            let bytes = try read(file)
            let json: JSON
            do { json = try JSON.parse(bytes) } catch {
                throw CNIError(.decoding, "not JSON", "\(file): \(error.description)")
            }
            do { plugins.append(try ListedPlugin(ConfigNode(json, path: file))) } catch { throw .configuration(error) }
        }
        return plugins
    }

    private static func read(_ path: String) throws(CNIError) -> [UInt8] {
        do { return try FileDescriptor.open(path).readAll() } catch { throw .inputOutput(error, "read \(path)") }
    }

    private static func directory(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The names with one of the endings, in the order of their bytes.
    private static func sorted(_ names: [String], _ endings: [String]) -> [String] {
        names.filter { name in endings.contains { name.utf8.count > $0.utf8.count && name.hasSuffix($0) } }
            .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }
}
