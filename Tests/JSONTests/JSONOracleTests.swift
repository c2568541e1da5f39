// SPDX-License-Identifier: Apache-2.0

import Foundation
import JSON
import Support
import Testing

/// Foundation's parser as the second opinion, on values and on broken texts.
@Suite struct JSONOracleTests {
    @Test func foundationReadsTheSameValues() throws {
        var generator = SeededGenerator("foundationReadsTheSameValues")
        for _ in 0..<2000 {
            let value = JSON.random(using: &generator)
            let indent = [nil, 0, 4].randomElement(using: &generator) ?? nil
            let bytes = value.serialize(indent: indent)
            #expect(try JSON.parse(bytes) == value, "SEED=\(SeededGenerator.seed)")
            let theirs = try JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
            #expect(Self.agree(value, theirs), "SEED=\(SeededGenerator.seed): \(value.text())")
        }
    }

    @Test func whatFoundationWritesIsReadTheSame() throws {
        var generator = SeededGenerator("whatFoundationWritesIsReadTheSame")
        for _ in 0..<1000 {
            let value = JSON.random(using: &generator)
            let theirs = try JSONSerialization.jsonObject(with: Data(value.serialize()), options: .fragmentsAllowed)
            let options: JSONSerialization.WritingOptions = [.fragmentsAllowed, .prettyPrinted]
            let rewritten = try JSONSerialization.data(withJSONObject: theirs, options: options)
            #expect(
                try Self.agree(JSON.parse(Array(rewritten)), theirs),
                "SEED=\(SeededGenerator.seed): \(value.text())"
            )
        }
    }

    @Test func foundationRefusesTheSameTexts() throws {
        var generator = SeededGenerator("foundationRefusesTheSameTexts")
        let alphabet = Array(#"{}[]",:\ -+.0123456789eEtrufalsn"#.utf8) + [0x09, 0x0A, 0x0D]
        var refused = 0
        for _ in 0..<20_000 {
            var bytes = JSON.random(depth: 3, using: &generator).serialize()
            for _ in 0..<Int.random(in: 1...2, using: &generator) {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                let byte = alphabet.randomElement(using: &generator) ?? 0x20
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[place] = byte
                case 1: bytes.insert(byte, at: place)
                default: if bytes.count > 1 { bytes.remove(at: place) }
                }
            }
            // Foundation refuses what we replace: bytes that are no UTF-8, and halves of surrogate pairs.
            guard let text = String(validating: bytes, as: UTF8.self), !text.contains("\\u") else { continue }
            let theirs = try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
            do throws(JSONError) {
                let ours = try JSON.parse(bytes)
                // Foundation also refuses numbers that no double can hold; we leave that to whoever reads the number.
                let isSame = theirs != nil || Self.hasEndlessNumber(ours)
                #expect(isSame, "SEED=\(SeededGenerator.seed): only we read \(text)")
            } catch {
                refused += 1
                // Foundation lets a comma stand before the end of an array or object; RFC 8259 does not.
                let commas = [#"a value is expected, not "]""#, #"a key in quotes is expected, not "}""#]
                let isSame = theirs == nil || commas.contains(error.problem)
                #expect(isSame, "SEED=\(SeededGenerator.seed): only Foundation reads \(text): \(error)")
            }
        }
        #expect(refused > 1000)
    }

    /// Whether some number is too large for a double.
    private static func hasEndlessNumber(_ value: JSON) -> Bool {
        switch value {
        case .number(let text): Double(text)?.isFinite != true
        case .array(let elements): elements.contains { hasEndlessNumber($0) }
        case .object(let object): object.members.contains { hasEndlessNumber($0.value) }
        default: false
        }
    }

    /// Whether Foundation's objects say the same as our value.
    private static func agree(_ ours: JSON, _ theirs: Any) -> Bool {
        switch ours {
        case .null: return theirs is NSNull
        case .bool(let value): return (theirs as? NSNumber)?.boolValue == value
        case .number(let text):
            // They keep large integers whole and round the rest to a double, in one more step than we do.
            guard let expected = Double(text), let found = (theirs as? NSNumber)?.doubleValue else { return false }
            return abs(expected - found) <= abs(expected) * 1e-14
        case .string(let text): return (theirs as? String).map { Array($0.utf8) == Array(text.utf8) } ?? false
        case .array(let elements):
            guard let list = theirs as? [Any], list.count == elements.count else { return false }
            return zip(elements, list).allSatisfy { agree($0, $1) }
        case .object(let object):
            guard let map = theirs as? [String: Any], map.count == object.members.count else { return false }
            return object.members.allSatisfy { member in map[member.key].map { agree(member.value, $0) } ?? false }
        }
    }
}
