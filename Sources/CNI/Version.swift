// SPDX-License-Identifier: Apache-2.0

import Linux

/// A version of the CNI specification that the suite speaks, oldest first.
public enum Version: Int, CaseIterable, Comparable, Sendable {
    case v0_1_0, v0_2_0, v0_3_0, v0_3_1, v0_4_0, v1_0_0, v1_1_0

    /// The newest version.
    public static var newest: Version { .v1_1_0 }

    /// The version as configurations spell it; no other spelling is accepted.
    public var description: String {
        switch self {
        case .v0_1_0: "0.1.0"
        case .v0_2_0: "0.2.0"
        case .v0_3_0: "0.3.0"
        case .v0_3_1: "0.3.1"
        case .v0_4_0: "0.4.0"
        case .v1_0_0: "1.0.0"
        case .v1_1_0: "1.1.0"
        }
    }

    /// The version of a spelling; a missing one is the oldest, as in the reference.
    public init?(_ text: String) {
        guard let match = text.isEmpty ? .v0_1_0 : Version.allCases.first(where: { $0.description == text }) else {
            return nil
        }
        self = match
    }

    /// Whether one version is older than another.
    public static func < (left: Version, right: Version) -> Bool { left.rawValue < right.rawValue }

    /// All spellings, separated.
    public static func list(separator: String) -> String {
        allCases.map { $0.description }.joined(separator: separator)
    }
}

/// The numbers of a version that need not be one of ours, for telling too old from unknown.
struct VersionNumber {
    private let parts: [Int]

    /// Reads one to three numbers with dots between them.
    init?(_ text: String) {
        var parts: [Int] = []
        for part in Array(text.utf8).split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
            guard let number = Int(String(decoding: part, as: UTF8.self)), number >= 0 else { return nil }
            parts.append(number)
        }
        guard parts.count <= 3 else { return nil }
        self.parts = parts
    }

    func isOlder(than version: Version) -> Bool {
        guard let other = VersionNumber(version.description) else { return false }
        for (mine, theirs) in zip(parts + [0, 0], other.parts) where mine != theirs { return mine < theirs }
        return false
    }
}
