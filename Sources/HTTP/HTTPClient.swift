// SPDX-License-Identifier: Apache-2.0

import CLibCURL
import Linux

/// Requests to a server over connections that are kept, through libcurl, without threads.
///
/// There are two at a time: a call whose answer is waited for, and a stream that is read whenever something has come.
@safe public struct HTTPClient: ~Copyable {
    /// Which of the two transfers.
    public enum Transfer: CInt, Sendable {
        /// A request with one answer.
        case call = 0
        /// A request whose answer comes bit by bit and does not end.
        case stream = 1
    }

    /// How a transfer stands.
    public struct State: Sendable {
        /// Whether more may come.
        public let isRunning: Bool
        /// The status of the answer, or 0 if there is none yet.
        public let status: Int
        /// How many bytes have come and were not taken.
        public let count: Int
        /// Why there is no answer, if there will be none.
        public let problem: String?
    }

    /// Which descriptors woke the caller.
    public struct Wake: Sendable {
        /// The first one is readable.
        public let first: Bool
        /// The second one is readable.
        public let second: Bool
    }

    private let context: OpaquePointer
    // The texts of C live as long as the context that was told of them.
    private let files: [UnsafeMutablePointer<CChar>]

    /// Opens a client; the files for TLS may be empty.
    public init(authorities: String = "", certificate: String = "", key: String = "") throws(Errno) {
        guard let context = unsafe clibcurl_open() else { throw Errno(12) }
        unsafe self.context = unsafe context
        var files: [UnsafeMutablePointer<CChar>] = unsafe []
        for path in [authorities, certificate, key] { unsafe files.append(Self.copy(path)) }
        unsafe self.files = unsafe files
        unsafe clibcurl_trust(context, files[0], files[1], files[2])
    }

    deinit {
        unsafe clibcurl_close(context)
        for index in 0..<3 { unsafe files[index].deallocate() }
    }

    private static func copy(_ text: String) -> UnsafeMutablePointer<CChar> {
        let bytes = text.utf8.map { CChar(bitPattern: $0) } + [0]
        let place = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
        for index in bytes.indices { unsafe place[index] = bytes[index] }
        return unsafe place
    }

    /// Starts a request; what its transfer did before is forgotten.
    ///
    /// - Returns: Whether the library takes it.
    public mutating func post(
        _ transfer: Transfer,
        _ url: String,
        token: String,
        body: [UInt8],
        limitMilliseconds: Int,
        connectLimitMilliseconds: Int
    ) -> Bool {
        unsafe body.withUnsafeBytes {
            unsafe clibcurl_post(
                context,
                transfer.rawValue,
                url,
                token,
                $0.baseAddress,
                $0.count,
                limitMilliseconds,
                connectLimitMilliseconds
            )
        }
    }

    /// Moves transfers on and waits until there is news, a descriptor is readable, or the time is over.
    public mutating func wait(_ first: CInt, _ second: CInt, limitMilliseconds: Int) -> Wake {
        let ready = unsafe clibcurl_wait(context, first, second, CInt(clamping: limitMilliseconds))
        return Wake(first: ready & 1 != 0, second: ready & 2 != 0)
    }

    /// How a transfer stands.
    public func state(_ transfer: Transfer) -> State {
        let state = unsafe clibcurl_look(context, transfer.rawValue)
        let problem = unsafe state.problem.map { unsafe String(cString: $0) }
        return unsafe State(
            isRunning: state.is_running,
            status: Int(state.status),
            count: state.count,
            problem: problem
        )
    }

    /// Takes what has come of an answer.
    public mutating func take(_ transfer: Transfer) -> [UInt8] {
        let state = unsafe clibcurl_look(context, transfer.rawValue)
        return unsafe take(transfer, state.bytes, state.count)
    }

    /// Takes the whole lines that have come of an answer, and leaves the beginning of the next one.
    public mutating func takeLines(_ transfer: Transfer) -> [[UInt8]] {
        let state = unsafe clibcurl_look(context, transfer.rawValue)
        let bytes = unsafe take(transfer, state.bytes, state.whole_lines)
        return bytes.split(separator: UInt8(ascii: "\n")).map { Array($0) }
    }

    private mutating func take(_ transfer: Transfer, _ start: UnsafePointer<CChar>?, _ count: Int) -> [UInt8] {
        guard let start = unsafe start, count > 0 else { return [] }
        let bytes = unsafe [UInt8](UnsafeRawBufferPointer(start: start, count: count))
        unsafe clibcurl_consume(context, transfer.rawValue, count)
        return bytes
    }

    /// Ends a transfer.
    public mutating func stop(_ transfer: Transfer) { unsafe clibcurl_stop(context, transfer.rawValue) }
}
