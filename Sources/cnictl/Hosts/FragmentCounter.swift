// SPDX-License-Identifier: Apache-2.0

import Linux

/// How often the kernel took packets apart because they were too large for an interface.
enum FragmentCounter {
    /// The fragments that were made in the namespace of the calling thread.
    static func read() throws(Errno) -> Int {
        var count = 0
        let text = try FileDescriptor.open("/proc/thread-self/net/snmp").readAll()
        var names: [ArraySlice<UInt8>] = []
        // A line with names, and then one with numbers.
        for line in text.split(separator: UInt8(ascii: "\n")) {
            let words = line.split(separator: UInt8(ascii: " "))
            guard words.first.map({ $0.elementsEqual("Ip:".utf8) }) == true else { continue }
            if let column = names.firstIndex(where: { $0.elementsEqual("FragCreates".utf8) }), column < words.count {
                count += Int(String(decoding: words[column], as: UTF8.self)) ?? 0
            }
            names = words
        }
        // A kernel without IPv6 has no such file.
        let text6 = (try? FileDescriptor.open("/proc/thread-self/net/snmp6").readAll()) ?? []
        for line in text6.split(separator: UInt8(ascii: "\n")) {
            let words = line.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
            guard words.count == 2, words[0].elementsEqual("Ip6FragCreates".utf8) else { continue }
            count += Int(String(decoding: words[1], as: UTF8.self)) ?? 0
        }
        return count
    }
}
