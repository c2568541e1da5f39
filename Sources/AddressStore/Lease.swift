// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Who has an address: the content of a file of the store.
///
///     container id CR LF interface name
///
/// without a line end, as the reference writes it. Old versions of the reference wrote the container id alone.
public struct Lease: Equatable, Sendable {
    /// The identifier of the container.
    public let containerID: String
    /// The name of the interface in the container; nothing in the old form.
    public let interface: String?

    /// Makes a lease of the present form.
    public init(containerID: String, interface: String) {
        self.containerID = containerID
        self.interface = interface
    }

    /// Reads the content of a file; nothing if there is none, which is what a crash of the reference leaves.
    ///
    /// Zero bytes count as blanks: some file systems have them where a loss of power kept data from the disk.
    init?(content: [UInt8]) {
        let lines = content.split { $0 == UInt8(ascii: "\r") || $0 == UInt8(ascii: "\n") }.map(Self.trimmed)
        guard let first = lines.first, !first.isEmpty else { return nil }
        containerID = first
        interface = lines.count > 1 ? lines[1] : nil
    }

    /// The content of the file.
    var content: [UInt8] { Array(containerID.utf8) + [13, 10] + Array((interface ?? "").utf8) }

    /// What the index looks the lease up by.
    var key: UInt64 { Self.key(containerID, interface) }

    static func key(_ containerID: String, _ interface: String?) -> UInt64 {
        // FNV-1a, 64 bits. Equal keys of different leases are told apart by the files, so nothing hangs on it but time.
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in containerID.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        hash = hash &* 0x100_0000_01b3
        for byte in (interface ?? "").utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        // 0 and 1 mark slots that are empty or were used.
        return hash | 1 << 63
    }

    private static func trimmed(_ line: ArraySlice<UInt8>) -> String {
        let isBlank: (UInt8) -> Bool = { $0 == 32 || $0 == 9 || $0 == 0 }
        let start = line.drop(while: isBlank)
        guard let end = start.lastIndex(where: { !isBlank($0) }) else { return "" }
        return String(decoding: start[...end], as: UTF8.self)
    }
}

/// Where a lease comes from: the start of the kernel in which it was made, and the namespace it was made for.
public struct Origin: Equatable, Sendable {
    /// The identifier of the start.
    public let boot: String
    /// The path of the network namespace.
    public let netns: String

    /// Makes an origin.
    public init(boot: String, netns: String) {
        self.boot = boot
        self.netns = netns
    }
}
