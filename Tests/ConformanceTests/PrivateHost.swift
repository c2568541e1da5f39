// SPDX-License-Identifier: Apache-2.0

import Support
import Synchronization
import Testing

/// Runs every test of a suite in a network namespace of its own, and only a few of them at a time.
///
/// Making and clearing away namespaces takes a lock of the whole kernel: many at once make each other wait for longer than
/// a call may take.
struct PrivateHost: TestTrait, SuiteTrait, TestScoping {
    private static let width = 4
    private static let gate = Gate(width: width)

    /// Whether no other test may run meanwhile; no two suites at a time may ask for that.
    var isAlone = false

    var isRecursive: Bool { true }

    func prepare(for test: Test) async throws { try await OwnNetworkNamespace.ownNetworkNamespace.prepare(for: test) }

    func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing body: @Sendable () async throws -> Void
    ) async throws {
        guard testCase != nil else { return try await body() }
        let places = isAlone ? Self.width : 1
        for _ in 0..<places { await Self.gate.enter() }
        defer { for _ in 0..<places { Self.gate.leave() } }
        try await OwnNetworkNamespace.ownNetworkNamespace.provideScope(
            for: test,
            testCase: testCase,
            performing: body
        )
    }
}

extension Trait where Self == PrivateHost {
    /// A network namespace of its own for each test, and only a few tests at a time.
    static var privateHost: Self { Self() }
    /// A network namespace of its own for each test, with no other test beside it.
    static var privateHostAlone: Self { Self(isAlone: true) }
}

/// A door through which only so many go at a time; the others wait in line without a thread.
private final class Gate: Sendable {
    private struct State {
        var free: Int
        var line: [CheckedContinuation<Void, Never>] = []
    }
    private let state: Mutex<State>

    init(width: Int) { state = Mutex(State(free: width)) }

    func enter() async {
        await withCheckedContinuation { continuation in
            let mayEnter = state.withLock { state in
                if state.free > 0 {
                    state.free -= 1
                    return true
                }
                state.line.append(continuation)
                return false
            }
            if mayEnter { continuation.resume() }
        }
    }

    func leave() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            if state.line.isEmpty {
                state.free += 1
                return nil
            }
            return state.line.removeFirst()
        }
        next?.resume()
    }
}
