// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

@testable import Netlink

/// Reading what the kernel, or anybody, sends.
@Suite(.seeded) struct AttributesTests {
    private static func attribute(_ type: UInt16, _ value: [UInt8]) -> [UInt8] {
        let length = UInt16(4 + value.count)
        let header = [UInt8(length & 0xff), UInt8(length >> 8), UInt8(type & 0xff), UInt8(type >> 8)]
        return header + value + [UInt8](repeating: 0, count: (4 - value.count % 4) % 4)
    }

    @Test func attributesAreReadInOrderWithTheirFlagsMaskedOut() {
        let bytes =
            Self.attribute(3, Array("eth0\0".utf8)) + Self.attribute(0x8012, Self.attribute(1, [7]))
            + Self.attribute(4, [1, 2, 0, 0])
        let read = Array(Attributes(bytes[...]))
        #expect(read.map { $0.type } == [3, 18, 4])
        #expect(read.first?.text == "eth0")
        #expect(read.dropFirst().first?.nested.first(1)?.uint8 == 7)
        #expect(read.last?.uint32 == 0x0201)
        #expect(read.last?.uint16 == 0x0201)
        #expect(Attributes(bytes[...]).first(99)?.type == nil)
    }

    @Test func valuesThatAreTooShortAreNothing() throws {
        let bytes = Self.attribute(1, [1]) + Self.attribute(2, [])
        let read = Array(Attributes(bytes[...]))
        let (one, none) = (try #require(read.first), try #require(read.last))
        #expect(one.uint8 == 1)
        #expect(one.uint16 == nil && one.uint32 == nil)
        #expect(none.uint8 == nil)
        #expect(none.text == "")
    }

    @Test(
        arguments: [[0, 0, 1, 0], [3, 0, 1, 0], [5, 0, 1, 0], [255, 255, 1, 0], [4, 0, 1], [4], []] as [[UInt8]]
    )
    func aLengthThatMakesNoSenseEndsTheReading(bytes: [UInt8]) {
        #expect(Array(Attributes(bytes[...])).isEmpty)
        #expect(Array(Attributes((Self.attribute(9, [1]) + bytes)[...])).map { $0.type } == [9])
    }

    @Test func aSliceIsReadFromItsOwnStart() {
        let bytes: [UInt8] = [9, 9, 9] + Self.attribute(5, [1, 0, 0, 0])
        #expect(Attributes(bytes[3...]).first(5)?.uint32 == 1)
        #expect(bytes[3...].integer(UInt16.self, at: 2) == 5)
        #expect(bytes[3...].integer(UInt64.self, at: 1) == nil)
        #expect(bytes[3...].integer(UInt16.self, at: -1) == nil)
    }

    /// Puts bytes before every reader there is; it is enough that they return.
    private static func readAll(_ bytes: [UInt8]) -> Int {
        var found = 0
        func walk(_ attributes: Attributes, _ depth: Int) {
            for attribute in attributes {
                found += attribute.text.utf8.count + Int(attribute.uint16 ?? 0)
                if depth < 4 { walk(attribute.nested, depth + 1) }
            }
        }
        walk(Attributes(bytes[...]), 0)
        for type in [16, 20, 24, 28] as [UInt16] {
            let message = Message(type: type, payload: bytes[...])
            found += Link(message) == nil ? 0 : 1
            found += InterfaceAddress(message) == nil ? 0 : 1
            found += Route(message) == nil ? 0 : 1
            found += Neighbour(message) == nil ? 0 : 1
        }
        return found + Envelope.parse(bytes[...], port: 0).count
    }

    @Test func garbageIsReadWithoutHarm() {
        var generator = SeededGenerator("garbageIsReadWithoutHarm")
        for _ in 0..<3000 { _ = Self.readAll(generator.bytes(.random(in: 0...96, using: &generator))) }
    }

    @Test func messagesOfOurOwnAreReadWithoutHarmHoweverTheyAreCutOrChanged() throws {
        var generator = SeededGenerator("messagesOfOurOwnAreReadWithoutHarm")
        for name in try Golden.names(in: "netlink", suffix: ".hex") {
            let whole = try HexText.bytes(of: "netlink/\(name)")
            for length in 0...whole.count {
                _ = Self.readAll(Array(whole.prefix(length)))
                _ = Self.readAll(Array(whole.dropFirst(16).prefix(length)))
            }
            for _ in 0..<100 {
                var changed = whole
                for _ in 0..<Int.random(in: 1...4, using: &generator) {
                    let place = Int.random(in: 0..<changed.count, using: &generator)
                    changed[place] = [0, 1, 3, 4, 0x7f, 0x80, 0xff].randomElement(using: &generator) ?? 0
                }
                _ = Self.readAll(changed)
                _ = Self.readAll(Array(changed.dropFirst(16)))
            }
        }
    }
}

/// Hexadecimal text with remarks behind two spaces.
enum HexText {
    /// The bytes of a golden file.
    static func bytes(of file: String) throws -> [UInt8] {
        try Golden.text(file).split(separator: "\n").flatMap { line in
            line.prefix(11).split(separator: " ").compactMap { UInt8($0, radix: 16) }
        }
    }
}
