// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Keeps other tests, of this run and of others, away from one that fills the kernel's table of neighbours, which all namespaces
/// share: while it is full, others rightly hear that it is.
final class NeighbourTableLock {
    private let descriptor: CInt

    /// Waits until nobody fills the table, or until nobody else uses it.
    init(fills: Bool) throws {
        descriptor = open(Golden.directory, O_RDONLY | O_CLOEXEC | O_DIRECTORY)
        let isLocked = descriptor >= 0 && flock(descriptor, fills ? LOCK_EX : LOCK_SH) == 0
        try #require(isLocked, "\(Golden.directory) cannot be locked")
    }

    deinit { close(descriptor) }
}

extension Tag {
    /// A test in an own network namespace that fills the kernel's table of neighbours.
    @Tag public static var fillsNeighbourTable: Self
}

/// Runs tests while nobody fills the kernel's table of neighbours; suites with an own network namespace have that anyway.
public struct UsesNeighbourTable: TestTrait, SuiteTrait, TestScoping {
    /// Whether the tests inside a suite inherit the trait.
    public var isRecursive: Bool { true }

    /// Runs one test, or one case of it, with the lock.
    public func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing body: @Sendable () async throws -> Void
    ) async throws {
        let lock = testCase == nil ? nil : try NeighbourTableLock(fills: false)
        try await body()
        withExtendedLifetime(lock) {}
    }
}

extension Trait where Self == UsesNeighbourTable {
    /// Not while another test fills the table of neighbours.
    public static var usesNeighbourTable: Self { Self() }
}
