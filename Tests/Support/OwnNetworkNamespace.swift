// SPDX-License-Identifier: Apache-2.0

import Testing

/// Runs every test of a suite in a network namespace of its own, with the loopback interface up.
///
/// A namespace belongs to a thread, and a test that awaits may wake on another thread. So the test runs on an executor
/// with one thread, which lives in a fresh namespace and ends with the test. Whatever leaves the executor leaves the
/// namespace: unstructured tasks, detached tasks and the main actor.
public struct OwnNetworkNamespace: TestTrait, SuiteTrait, TestScoping {
    /// Whether the tests inside a suite inherit the trait.
    public var isRecursive: Bool { true }

    /// Skips the test, with the reason, where nobody may make namespaces.
    public func prepare(for test: Test) async throws {
        try await ConditionTrait.enabled(
            if: Privileges.canMakeNamespaces,
            "needs the right to make network namespaces: root, or unshare -rn",
            sourceLocation: test.sourceLocation
        ).prepare(for: test)
    }

    /// Runs one test, or one case of it, on a thread that is in a fresh namespace.
    public func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing body: @Sendable () async throws -> Void
    ) async throws {
        guard testCase != nil else { return try await body() }
        Signals.ignoreBrokenPipes()
        let executor = NamespaceExecutor()
        defer { executor.stop() }
        try await withTaskExecutorPreference(executor) {
            // Here, because waiting blocks the thread.
            let lock = try NeighbourTableLock(fills: test.tags.contains(.fillsNeighbourTable))
            try await body()
            withExtendedLifetime(lock) {}
        }
    }
}

extension Trait where Self == OwnNetworkNamespace {
    /// A network namespace of its own for each test.
    public static var ownNetworkNamespace: Self { Self() }
}
