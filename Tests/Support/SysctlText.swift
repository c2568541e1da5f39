// SPDX-License-Identifier: Apache-2.0

import Foundation
import Linux

/// The settings below /proc/sys/net of the namespace of the calling thread that plugins may touch.
enum SysctlText {
    private static let single = [
        "net/ipv4/ip_forward", "net/ipv4/conf/all/forwarding", "net/ipv6/conf/all/forwarding",
        "net/ipv4/ip_nonlocal_bind", "net/ipv4/ip_unprivileged_port_start", "net/core/somaxconn",
    ]
    private static let trees = ["net/ipv4/conf", "net/ipv6/conf", "net/bridge"]

    static func all() throws -> String {
        var lines: [String] = []
        for key in single { lines.append(line(key)) }
        for tree in trees {
            guard let names = try? FileDescriptor.open("/proc/sys/\(tree)", [.read, .directory]).names() else {
                continue
            }
            for name in names.sorted() {
                let key = "\(tree)/\(name)"
                if let below = try? FileDescriptor.open("/proc/sys/\(key)", [.read, .directory]).names() {
                    lines += below.sorted().map { line("\(key)/\($0)") }
                } else {
                    lines.append(line(key))
                }
            }
        }
        return lines.joined(separator: "\n")
    }

    private static func line(_ key: String) -> String {
        do { return "\(key) = \(try Sysctl.read(key))" } catch { return "\(key): \(error.name)" }
    }
}

/// A directory with all that is in it, as text.
public enum FileTree {
    /// A line for each file with its mode and content, in the order of the paths; nothing if there is no directory.
    public static func text(_ directory: String) throws -> String {
        let manager = FileManager.default
        guard manager.fileExists(atPath: directory) else { return "does not exist" }
        let paths = try manager.subpathsOfDirectory(atPath: directory).sorted()
        return try ([("", directory)] + paths.map { ($0, "\(directory)/\($0)") }).map { relative, path in
            let attributes = try manager.attributesOfItem(atPath: path)
            let mode = (attributes[.posixPermissions] as? NSNumber)?.uint32Value ?? 0
            return
                "\(String(mode, radix: 8)) ./\(relative)\(try content(path, attributes[.type] as? FileAttributeType))"
        }.joined(separator: "\n")
    }

    private static func content(_ path: String, _ type: FileAttributeType?) throws -> String {
        switch type {
        case .typeDirectory: return "/"
        case .typeSymbolicLink: return " -> \(try FileManager.default.destinationOfSymbolicLink(atPath: path))"
        case .typeRegular:
            let bytes = try FileDescriptor.open(path).readAll()
            if let text = String(validating: bytes, as: UTF8.self) {
                return " \(bytes.count) bytes: \(text.prefix(4096).debugDescription)"
            }
            return " \(bytes.count) bytes: \(bytes.prefix(2048).map { String($0, radix: 16) }.joined(separator: " "))"
        default: return " (\(type?.rawValue ?? "unknown"))"
        }
    }
}
