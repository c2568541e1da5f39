// SPDX-License-Identifier: Apache-2.0

import Foundation
import JSON
import Testing

/// The texts in testdata/json, each with what is to become of it.
@Suite struct JSONCorpusTests {
    /// The texts of a folder and, beside each, the file with the expected outcome.
    static func cases(_ folder: String, outcome: String) -> [(text: URL, outcome: URL)] {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../testdata/json/\(folder)")
        let files = (try? FileManager.default.contentsOfDirectory(at: root, includingPropertiesForKeys: nil)) ?? []
        return files.filter { $0.pathExtension == "json" }.sorted { $0.path < $1.path }
            .map { ($0, $0.deletingPathExtension().appendingPathExtension(outcome)) }
    }

    @Test func theCorporaAreThere() {
        #expect(Self.cases("accept", outcome: "compact").count >= 8)
        #expect(Self.cases("reject", outcome: "error").count >= 15)
    }

    @Test(arguments: cases("accept", outcome: "compact"))
    func whatIsAcceptedIsWrittenAsExpected(text: URL, outcome: URL) throws {
        let value = try JSON.parse(Array(Data(contentsOf: text)))
        #expect(try value.text() + "\n" == String(contentsOf: outcome, encoding: .utf8))
        #expect(try JSON.parse(value.serialize(indent: 4)) == value)
    }

    @Test(arguments: cases("reject", outcome: "error"))
    func whatIsRefusedIsRefusedWithTheSentence(text: URL, outcome: URL) throws {
        let bytes = try Array(Data(contentsOf: text))
        let error = try #require(throws: JSONError.self) { try JSON.parse(bytes) }
        #expect(try error.description + "\n" == String(contentsOf: outcome, encoding: .utf8))
    }
}
