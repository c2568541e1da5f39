// SPDX-License-Identifier: Apache-2.0

import Addressing
import Glibc
import Support
import Testing

/// The C library's conversions as the second opinion.
@Suite struct IPAddressOracleTests {
    @Test func theLibraryWritesTheSameText() throws {
        var generator = SeededGenerator("theLibraryWritesTheSameText")
        for _ in 0..<20_000 {
            let address = Self.random(using: &generator)
            let theirs = try #require(Self.present(address.bytes))
            // For the addresses of RFC 4291, section 2.5.5.1, the library alone uses dots.
            if theirs.contains("."), address.family == .v6 { continue }
            #expect(address.description == theirs, "SEED=\(SeededGenerator.seed)")
            #expect(IPAddress(theirs) == address, "SEED=\(SeededGenerator.seed)")
        }
    }

    @Test func theLibraryReadsAndRefusesTheSameTexts() throws {
        var generator = SeededGenerator("theLibraryReadsAndRefusesTheSameTexts")
        let alphabet = Array("0123456789abcdefABCDEF::::....gx /%".utf8)
        var accepted = 0
        for _ in 0..<50_000 {
            var text = Array(Self.random(using: &generator).description.utf8)
            for _ in 0..<Int.random(in: 0...2, using: &generator) where !text.isEmpty {
                let place = Int.random(in: 0..<text.count, using: &generator)
                let byte = alphabet.randomElement(using: &generator) ?? 0x20
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: text[place] = byte
                case 1: text.insert(byte, at: place)
                default: text.remove(at: place)
                }
            }
            let string = String(decoding: text, as: UTF8.self)
            let theirs = Self.parse(string).flatMap { IPAddress(bytes: $0) }
            if theirs != nil { accepted += 1 }
            #expect(IPAddress(string) == theirs, "SEED=\(SeededGenerator.seed): \(string)")
        }
        #expect(accepted > 10_000)
    }

    /// A random address, with zero groups more often than chance has them.
    private static func random(using generator: inout SeededGenerator) -> IPAddress {
        if Bool.random(using: &generator) {
            return IPAddress(family: .v4, bits: UInt128(UInt32.random(in: 0 ... .max, using: &generator)))
        }
        var bits: UInt128 = 0
        for _ in 0..<8 {
            let group = UInt16.random(in: 0 ... .max, using: &generator) >> UInt16.random(in: 0..<16, using: &generator)
            bits = bits << 16 | (Bool.random(using: &generator) ? 0 : UInt128(group))
        }
        return IPAddress(family: .v6, bits: bits)
    }

    /// What the C library writes for the bytes.
    private static func present(_ bytes: [UInt8]) -> String? {
        var text = [CChar](repeating: 0, count: 64)
        guard unsafe inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, bytes, &text, 64) != nil else { return nil }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// What the C library reads from the text.
    private static func parse(_ text: String) -> [UInt8]? {
        let isVersion6 = text.contains(":")
        var bytes = [UInt8](repeating: 0, count: isVersion6 ? 16 : 4)
        return unsafe inet_pton(isVersion6 ? AF_INET6 : AF_INET, text, &bytes) == 1 ? bytes : nil
    }
}
