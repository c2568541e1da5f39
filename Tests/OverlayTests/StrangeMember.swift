// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Synchronization

/// A member of a registry that does not do as etcd does, in front of one that does: 192.168.9.120 before 192.168.9.101.
final class StrangeMember {
    /// What is strange.
    enum Habit: Sendable {
        /// It gives the same answer to whatever is asked.
        case says(String)
        /// Its watches end at once.
        case endsWatches
        /// Its watches are one line without an end.
        case endsNoLine
        /// It takes a second for each answer.
        case isSlow
        /// It takes a while for an answer that has no values, by which it is found out whether it lives.
        case isSlowToProbe
        /// The eight pieces of its answers come every 400 milliseconds, or as many of them as this.
        case dribbles(pieces: Int)
    }

    private final class Shared: Sendable {
        let isOver = Mutex(false)
        let watches = Mutex<[ContinuousClock.Instant]>([])
        let probes = Mutex(0)
    }

    static let endpoint = "http://192.168.9.120:2379"
    private let shared = Shared()
    private let thread: BackgroundThread<Bool>

    /// Begins to listen on an underlay whose bridge is br0.
    init(on wire: ContainerNamespace, _ habit: Habit) throws {
        try Registry.run("ip", ["address", "add", "192.168.9.120/24", "dev", "br0"], in: wire)
        thread = try wire.inside { [shared] in
            let listener = try InternetSocket(.stream, at: "192.168.9.120", port: 2379)
            return BackgroundThread {
                while !shared.isOver.withLock({ $0 }) {
                    guard let client = listener.accept(milliseconds: 50) else { continue }
                    _ = BackgroundThread { Self.serve(client, habit, shared) }
                }
                return true
            }
        }
    }

    deinit {
        shared.isOver.withLock { $0 = true }
        _ = thread.join()
    }

    /// When each watch was asked for.
    var watches: [ContinuousClock.Instant] { shared.watches.withLock { $0 } }

    /// How often it was asked whether it lives.
    var probes: Int { shared.probes.withLock { $0 } }

    private static func serve(_ client: InternetSocket, _ habit: Habit, _ shared: Shared) {
        guard let request = request(client) else { return }
        let isWatch = request.hasPrefix("POST /v3/watch ")
        if isWatch { shared.watches.withLock { $0.append(.now) } }
        switch habit {
        case .says(let text):
            client.send("HTTP/1.1 \(text.prefix(3)) X\r\nConnection: close\r\n\r\n\(text.dropFirst(4))")
        case .endsWatches where isWatch:
            client.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        case .endsNoLine where isWatch:
            client.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            let text = String(repeating: "x", count: 1 << 20)
            // More than anybody should take, and not so much that nothing ends if somebody does.
            for _ in 0..<64 where !shared.isOver.withLock({ $0 }) { client.send(text) }
        default:
            if case .isSlow = habit { sleep(1) }
            if case .isSlowToProbe = habit, request.contains("keys_only") {
                shared.probes.withLock { $0 += 1 }
                usleep(650_000)
            }
            // The older version of HTTP, of which each answer ends with its connection.
            guard let member = try? InternetSocket(.stream, at: "192.168.9.120"),
                member.connects(to: "192.168.9.101", port: 2379)
            else {
                return
            }
            member.send(request.replacingOccurrences(of: " HTTP/1.1\r\n", with: " HTTP/1.0\r\n"))
            while let text = member.receive(), !text.isEmpty {
                guard case .dribbles(let pieces) = habit else {
                    client.send(text)
                    continue
                }
                let head = text.range(of: "\r\n\r\n")?.upperBound ?? text.startIndex
                client.send(String(text[..<head]))
                var rest = text[head...]
                let size = rest.count / 8 + 1
                for _ in 0..<pieces {
                    client.send(String(rest.prefix(size)))
                    rest = rest.dropFirst(size)
                    usleep(400_000)
                }
                while !rest.isEmpty, !shared.isOver.withLock({ $0 }) { usleep(50_000) }
            }
        }
    }

    /// A whole request with its body.
    private static func request(_ client: InternetSocket) -> String? {
        var text = ""
        while true {
            guard let more = client.receive(), !more.isEmpty else { return nil }
            text += more
            guard let end = text.range(of: "\r\n\r\n"), let size = text.range(of: "Content-Length: ") else { continue }
            let count = Int(text[size.upperBound...].prefix { $0.isNumber }) ?? 0
            if text[end.upperBound...].utf8.count >= count { return text }
        }
    }
}
