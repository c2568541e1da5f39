// SPDX-License-Identifier: Apache-2.0

import Foundation
import JSON
import Support
import Testing

@testable import CNI

/// A spelling of a result and what it means, for tests that compare meanings.
enum ResultText {
    /// Reads a result from JSON text.
    static func read(_ text: String, assuming version: Version = .newest) throws -> AddResult {
        try AddResult(ConfigNode(try JSON.parse(Array(text.utf8))), assuming: version)
    }

    /// Writes a result as people read it.
    static func write(_ result: AddResult, _ version: Version) throws -> String {
        String(decoding: try result.json(version).serialize(indent: 2), as: UTF8.self) + "\n"
    }

    /// The meaning of a text: order of members aside, and an empty dns being none.
    static func meaning(_ text: String) throws -> NSDictionary {
        var object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        if let dns = object["dns"] as? [String: Any], dns.isEmpty { object["dns"] = nil }
        return object as NSDictionary
    }
}

extension Version: CustomTestStringConvertible {
    /// The spelling, as the name of a test case.
    public var testDescription: String { description }
}

/// Ours: Testing has a type of the same name.
typealias Attachment = CNI.Attachment
