// SPDX-License-Identifier: Apache-2.0

import HTTP
import JSON
import Linux

/// etcd version 3 through its JSON gateway.
///
/// It talks to one member until that fails or answers wrongly, and then to the next.
public struct EtcdClient: ~Copyable {
    private let settings: EtcdSettings
    private var http: HTTPClient
    private let signals: CInt
    private var current: Int
    private var token = ""
    /// Whether etcd said that it asks nobody who he is.
    private var isOpen = false

    /// How long an answer is waited for.
    enum Patience {
        /// As long as the settings say.
        case usual
        /// So many milliseconds, unless the settings say less.
        case short(Int)
        /// As long as something comes: a long answer takes its time.
        case whileItComes
    }

    /// Makes a client; `signals` is a descriptor that becomes readable when the process is to end, or -1.
    ///
    /// `start` says which member comes first, so that not all hosts begin with the same one.
    public init(_ settings: EtcdSettings, signals: CInt, start: UInt64) throws(Errno) {
        self.settings = settings
        self.signals = signals
        current = Int(start % UInt64(settings.endpoints.count))
        http = try HTTPClient(
            authorities: settings.authorities,
            certificate: settings.certificate,
            key: settings.key
        )
    }

    /// The member that is talked to.
    public var endpoint: String { settings.endpoints[current] }

    /// Leaves the member, and with it the watch.
    public mutating func moveOn() {
        http.stop(.stream)
        current = (current + 1) % settings.endpoints.count
    }

    /// Waits for news of the watch, for a descriptor, or for the end of the time.
    ///
    /// - Returns: Whether the process is to end, and whether the descriptor is readable.
    public mutating func wait(_ descriptor: CInt, limitMilliseconds: Int) -> (ends: Bool, isReadable: Bool) {
        let wake = http.wait(signals, descriptor, limitMilliseconds: limitMilliseconds)
        return (wake.first, wake.second)
    }

    /// Asks one member after the other until one answers.
    mutating func call(_ path: String, _ body: JSON, _ patience: Patience = .usual) throws(EtcdError) -> JSON {
        var failure = EtcdError(.unreachable, "there is no member")
        for _ in settings.endpoints {
            do throws(EtcdError) { return try callCurrent(path, body, patience) } catch {
                if error.kind != .unreachable { throw error }
                failure = error
            }
            moveOn()
        }
        throw failure
    }

    /// Asks the member that is talked to, and no other.
    mutating func callCurrent(_ path: String, _ body: JSON, _ patience: Patience) throws(EtcdError) -> JSON {
        try authenticate()
        do throws(EtcdError) { return try post(path, body, patience) } catch {
            guard error.kind == .denied, !settings.user.isEmpty else { throw error }
        }
        // Tokens are forgotten when a member starts anew, or when they were not used for minutes; and those that etcd has
        // signed are good until somebody changes a user or a role.
        (token, isOpen) = ("", false)
        try authenticate()
        return try post(path, body, patience)
    }

    /// Gets a token, if there is none and one is needed.
    private mutating func authenticate() throws(EtcdError) {
        if settings.user.isEmpty || isOpen || !token.isEmpty { return }
        let body: JSON = ["name": .string(settings.user), "password": .string(try settings.password())]
        let answer: JSON
        do throws(EtcdError) { answer = try post("auth/authenticate", body) } catch {
            // The operator has still to switch the users on, and until then everybody may do everything.
            guard error.kind == .open else { throw error }
            isOpen = true
            return
        }
        guard case .string(let text)? = answer["token"] else {
            throw EtcdError(.denied, "\(endpoint) gives \(settings.user) no token")
        }
        token = text
    }

    private mutating func post(
        _ path: String,
        _ body: JSON,
        _ patience: Patience = .usual
    ) throws(EtcdError) -> JSON {
        let url = "\(endpoint)/v3/\(path)"
        let (limit, whole) = limits(patience)
        guard
            http.post(
                .call,
                url,
                token: token,
                body: body.serialize(),
                limitMilliseconds: whole,
                connectLimitMilliseconds: limit
            )
        else {
            throw EtcdError(.refused, "\(url) is not an address that libcurl takes")
        }
        var state = http.state(.call)
        var (count, end) = (0, Self.now() + limit)
        while state.isRunning {
            let rest = end - Self.now()
            if rest <= 0 {
                http.stop(.call)
                Trace.step("POST \(url): \(state.status) silent for \(limit) ms")
                // As the library says it.
                throw EtcdError(.unreachable, "\(url): Timeout was reached")
            }
            if http.wait(signals, -1, limitMilliseconds: rest).first {
                http.stop(.call)
                throw EtcdError(.interrupted, "the process is to end")
            }
            state = http.state(.call)
            if state.count != count { (count, end) = (state.count, Self.now() + limit) }
        }
        Trace.step("POST \(url): \(state.status) \(state.problem ?? "")")
        if let problem = state.problem { throw EtcdError(.unreachable, "\(url): \(problem)") }
        let bytes = http.take(.call)
        let answer: JSON
        do { answer = try JSON.parse(bytes) } catch {
            throw EtcdError(.unreachable, "\(url): the answer \(state.status) is not JSON: \(error.description)")
        }
        if state.status == 200 {
            // All that etcd says has a header, if only inside.
            if (answer["result"] ?? answer)["header"] != nil { return answer }
            throw EtcdError(.unreachable, "\(url): the answer is not one of etcd's")
        }
        throw Self.failure(answer, state.status, url)
    }

    /// How long nothing may come, and how long all of it may take, in milliseconds.
    private func limits(_ patience: Patience) -> (silence: Int, whole: Int) {
        let usual = settings.timeoutMilliseconds
        switch patience {
        case .usual: return (usual, usual)
        case .short(let limit): return (min(limit, usual), min(limit, usual))
        // Yet nobody can hold the caller for ever by a byte now and then.
        case .whileItComes: return (usual, usual * 100)
        }
    }

    private static func now() -> Int { Int(Clock.monotonicNanoseconds() / 1_000_000) }

    private static func failure(_ outer: JSON, _ status: Int, _ place: String) -> EtcdError {
        // A stream has it one level deeper.
        var answer = outer
        if let inner = outer["error"], case .object = inner { answer = inner }
        var text = "status \(status)"
        if case .string(let message)? = answer["message"] ?? answer["error"] { text = message }
        let code = (answer["code"] ?? answer["grpc_code"])?.number
        return EtcdError(status: status, code: code ?? 0, text: text, at: place)
    }

    /// Begins to listen to changes below a prefix, from a revision on.
    public mutating func watch(prefix: String, from revision: Int64) throws(EtcdError) {
        try authenticate()
        let request: JSON = [
            "create_request": [
                "key": .string(Base64.encode(Array(prefix.utf8))),
                "range_end": .string(Base64.encode(Self.end(of: prefix))),
                "start_revision": .string("\(revision)"),
            ]
        ]
        let url = "\(endpoint)/v3/watch"
        let isTaken = http.post(
            .stream,
            url,
            token: token,
            body: request.serialize(),
            limitMilliseconds: 0,
            connectLimitMilliseconds: settings.timeoutMilliseconds
        )
        if !isTaken { throw EtcdError(.refused, "\(url) is not an address that libcurl takes") }
        Trace.step("watch \(prefix) from \(revision) at \(endpoint)")
    }

    /// The changes that have come since the last call; an end of the watch is an error.
    ///
    /// A member at which the watch breaks off is left, because another one may do better.
    public mutating func events() throws(EtcdError) -> [EtcdEvent] {
        let state = http.state(.stream)
        var events: [EtcdEvent] = []
        for line in http.takeLines(.stream) {
            guard let json = try? JSON.parse(line) else { throw breaksOff("has a line that is not JSON") }
            guard let result = json["result"] else {
                let failure = Self.failure(json, state.status, "the watch at \(endpoint)")
                moveOn()
                throw failure
            }
            if case .bool(true)? = result["canceled"] {
                // The stream itself stays open.
                http.stop(.stream)
                if let revision = result["compact_revision"]?.number, revision > 0 {
                    throw EtcdError(.compacted, "the history before revision \(revision) is gone")
                }
                var reason = "no reason given"
                if case .string(let text)? = result["cancel_reason"] { reason = text }
                throw EtcdError(.ended, "\(endpoint) ended the watch: \(reason)")
            }
            for event in result["events"]?.elements ?? [] {
                guard let entry = EtcdEntry(event["kv"]) else { continue }
                events.append(event["type"] == .string("DELETE") ? .removed(entry.key) : .set(entry))
            }
        }
        // What came before the end counts; the end shows at the next call again.
        if events.isEmpty, !state.isRunning {
            throw breaksOff("ended: \(state.problem ?? "status \(state.status)")")
        }
        return events
    }

    private mutating func breaksOff(_ reason: String) -> EtcdError {
        let error = EtcdError(.ended, "the watch at \(endpoint) \(reason)")
        moveOn()
        return error
    }

    /// The first key behind all that begin with a prefix.
    static func end(of prefix: String) -> [UInt8] {
        var bytes = Array(prefix.utf8)
        while let last = bytes.popLast() {
            if last < 255 { return bytes + [last + 1] }
        }
        return [0]
    }
}
