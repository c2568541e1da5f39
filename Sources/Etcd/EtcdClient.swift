// SPDX-License-Identifier: Apache-2.0

import HTTP
import JSON
import Linux

/// etcd version 3 through its JSON gateway.
///
/// It talks to one member until that fails, and then to the next.
public struct EtcdClient: ~Copyable {
    private let settings: EtcdSettings
    private var http: HTTPClient
    private let signals: CInt
    private var current: Int
    private var token = ""

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
    mutating func call(_ path: String, _ body: JSON) throws(EtcdError) -> JSON {
        var failure = EtcdError(.unreachable, "there is no member")
        for _ in settings.endpoints {
            do throws(EtcdError) { return try callCurrent(path, body) } catch {
                if error.kind != .unreachable { throw error }
                failure = error
            }
            moveOn()
        }
        throw failure
    }

    /// Asks the member that is talked to, and no other.
    mutating func callCurrent(_ path: String, _ body: JSON) throws(EtcdError) -> JSON {
        if token.isEmpty { try authenticate() }
        do throws(EtcdError) { return try post(path, body) } catch {
            guard error.kind == .denied, !settings.user.isEmpty else { throw error }
        }
        // Tokens are forgotten when a member starts anew, or when they were not used for minutes.
        token = ""
        try authenticate()
        return try post(path, body)
    }

    private mutating func authenticate() throws(EtcdError) {
        if settings.user.isEmpty { return }
        let body: JSON = ["name": .string(settings.user), "password": .string(try settings.password())]
        guard case .string(let text)? = try post("auth/authenticate", body)["token"] else {
            throw EtcdError(.denied, "\(endpoint) gives \(settings.user) no token")
        }
        token = text
    }

    private mutating func post(_ path: String, _ body: JSON) throws(EtcdError) -> JSON {
        let url = "\(endpoint)/v3/\(path)"
        let limit = settings.timeoutMilliseconds
        guard
            http.post(
                .call,
                url,
                token: token,
                body: body.serialize(),
                limitMilliseconds: limit,
                connectLimitMilliseconds: limit
            )
        else {
            throw EtcdError(.refused, "\(url) is not an address that libcurl takes")
        }
        var state = http.state(.call)
        while state.isRunning {
            if http.wait(signals, -1, limitMilliseconds: limit).first {
                http.stop(.call)
                throw EtcdError(.interrupted, "the process is to end")
            }
            state = http.state(.call)
        }
        Trace.step("POST \(url): \(state.status) \(state.problem ?? "")")
        if let problem = state.problem { throw EtcdError(.unreachable, "\(url): \(problem)") }
        let bytes = http.take(.call)
        let answer: JSON
        do { answer = try JSON.parse(bytes) } catch {
            throw EtcdError(.unreachable, "\(url): the answer \(state.status) is not JSON: \(error.description)")
        }
        if state.status == 200 { return answer }
        throw Self.failure(answer, state.status, url)
    }

    private static func failure(_ answer: JSON, _ status: Int, _ url: String) -> EtcdError {
        var text = "status \(status)"
        if case .string(let message)? = answer["error"] ?? answer["message"] { text = message }
        return EtcdError(status: status, code: answer["code"]?.number ?? 0, "\(url): \(text)")
    }

    /// Begins to listen to changes below a prefix, from a revision on.
    public mutating func watch(prefix: String, from revision: Int64) throws(EtcdError) {
        if token.isEmpty { try authenticate() }
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
    public mutating func events() throws(EtcdError) -> [EtcdEvent] {
        let state = http.state(.stream)
        var events: [EtcdEvent] = []
        for line in http.takeLines(.stream) {
            guard let json = try? JSON.parse(line) else {
                throw EtcdError(.ended, "\(endpoint): a line of the watch is not JSON")
            }
            guard let result = json["result"] else {
                let error = json["error"] ?? json
                throw Self.failure(error, Int(error["http_code"]?.number ?? 0), "the watch at \(endpoint)")
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
            throw EtcdError(.ended, "the watch at \(endpoint) ended: \(state.problem ?? "status \(state.status)")")
        }
        return events
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
