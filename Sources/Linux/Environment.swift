// SPDX-License-Identifier: Apache-2.0

import CLinux

/// The environment variables of a process, as a value.
public struct Environment: Sendable {
    /// The variables as they are handed over, in the form NAME=value.
    public private(set) var entries: [String]

    /// Makes an environment from entries in the form NAME=value.
    public init(_ entries: [String]) { self.entries = entries }

    /// The environment that this process was started with.
    public static func current() -> Environment {
        var entries: [String] = []
        guard var next = unsafe linux_environment() else { return Environment([]) }
        while let entry = unsafe next.pointee {
            entries.append(unsafe String(cString: entry))
            unsafe next += 1
        }
        return Environment(entries)
    }

    /// The value of a variable; setting nothing removes it.
    public subscript(name: String) -> String? {
        get {
            guard let index = index(of: name) else { return nil }
            return String(decoding: entries[index].utf8.dropFirst(name.utf8.count + 1), as: UTF8.self)
        }
        set {
            let entry = newValue.map { "\(name)=\($0)" }
            switch (index(of: name), entry) {
            case (let index?, let entry?): entries[index] = entry
            case (let index?, nil): entries.remove(at: index)
            case (nil, let entry?): entries.append(entry)
            case (nil, nil): break
            }
        }
    }

    private func index(of name: String) -> Int? {
        let length = name.utf8.count
        return entries.firstIndex { entry in
            entry.begins(with: name) && entry.utf8.dropFirst(length).first == UInt8(ascii: "=")
        }
    }
}
