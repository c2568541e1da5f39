// SPDX-License-Identifier: Apache-2.0

import Foundation
import Linux

/// What a network namespace and a few directories look like, as text that can be compared and read.
///
/// A test takes it before and after, and expects that nothing differs. What changes by itself is left out: counters,
/// timers and the rest of lifetimes.
public struct HostState: Equatable, Sendable, CustomStringConvertible {
    /// What is to be made alike, because it is never the same twice.
    public struct Normalisation: OptionSet, Sendable {
        /// The bits.
        public let rawValue: Int

        /// Makes a set of its bits.
        public init(rawValue: Int) { self.rawValue = rawValue }

        /// Hardware addresses, and the IPv6 link-local addresses that are made of them.
        public static let addresses = Normalisation(rawValue: 1)
        /// Numbers of interfaces and namespaces.
        public static let indexes = Normalisation(rawValue: 2)
    }

    /// The parts of the state by name, each a text of many lines.
    public let sections: [String: String]

    /// The whole state as one text.
    public var description: String {
        sections.sorted { $0.key < $1.key }.map { "== \($0.key)\n\($0.value)" }.joined(separator: "\n") + "\n"
    }

    /// Takes the state of the namespace of the calling thread and of some directories.
    ///
    /// A second or more may pass between a carrier that comes or goes and what the kernel makes of that, in one queue for all
    /// namespaces; the state that is taken is the one after that.
    public init(directories: [String] = [], normalising: Normalisation = []) throws {
        var sections: [String: String] = [:]
        let isSettled = try eventually {
            sections = try NamespaceText.sections(normalising)
            return NamespaceText.isSettled(sections["links"] ?? "")
        }
        if !isSettled { throw ProgramFailure(description: "links do not settle: \(sections["links"] ?? "")") }
        sections["sysctl"] = try SysctlText.all()
        for directory in directories { sections["directory \(directory)"] = try FileTree.text(directory) }
        self.sections = sections
    }

    /// Takes the state of a container's namespace.
    public init(of container: ContainerNamespace, normalising: Normalisation = []) throws {
        self = try container.inside { try HostState(normalising: normalising) }
    }

    /// What an earlier state has that this one has not, and the other way round; empty if nothing.
    public func difference(from earlier: HostState) -> UnifiedDiff {
        UnifiedDiff(earlier.description, description, oldName: "before", newName: "after")
    }

    /// Two states are equal if all their text is.
    public static func == (left: HostState, right: HostState) -> Bool { left.sections == right.sections }
}
