// SPDX-License-Identifier: Apache-2.0

/// What is wrong in a configuration, and where.
public struct ConfigError: Error, Equatable, Sendable {
    /// The way from the root to the value, such as ipam.ranges[0][1].subnet; empty for the root.
    public let path: String

    /// What is wrong with the value, to be read behind the path.
    public let problem: String

    /// Makes an error.
    public init(path: String, problem: String) {
        self.path = path
        self.problem = problem
    }
}

extension ConfigError: CustomStringConvertible {
    /// Path and problem in one sentence.
    public var description: String { path.isEmpty ? problem : "\(path): \(problem)" }
}
