// SPDX-License-Identifier: Apache-2.0

import Foundation
import JSON
import Linux
import Support
import Testing

@testable import CNI

/// Failures in the form that runtimes read.
@Suite struct CNIErrorTests {
    @Test func aConfigurationErrorIsTheSpecificationsExample() throws {
        let problem = #""10.0.0.0/31" is too small to allocate from"#
        let error = CNIError.configuration(ConfigError(path: "ipam.ranges[0][0].subnet", problem: problem))
        #expect(error.json(version: "1.1.0") == (try Self.spec("error-1.1.0")))
    }

    @Test func aStatusErrorIsTheSpecificationsExample() throws {
        let details = #"network "lab": range set 0 (10.22.0.0/24) 254 of 254 in use"#
        let error = CNIError(.notReady, "no free IP addresses", details)
        #expect(error.json(version: "1.1.0") == (try Self.spec("error-status-1.1.0")))
    }

    private static func spec(_ name: String) throws -> JSON {
        try JSON.parse(Array(try Golden.text("spec/\(name).json").utf8))
    }

    @Test func emptyDetailsAreLeftOut() {
        let json = CNIError(.delegate, "short").json(version: "0.4.0")
        #expect(json == ["cniVersion": "0.4.0", "code": 106, "msg": "short"])
        #expect(CNIError(.delegate, "short").description == "short")
        #expect(CNIError(.delegate, "short", "long").description == "short: long")
    }

    @Test func theKernelsSentenceIsInTheDetails() {
        let error = CNIError(.fileExists, "create the interface veth0", kernelText: "no room")
        #expect(error.code == 100)
        #expect(error.message == "cannot create the interface veth0")
        #expect(error.details == "EEXIST: File exists (kernel: no room)")
        #expect(error.errno == .fileExists)
        #expect(CNIError(.noSuchFile, "open x").details == "ENOENT: No such file or directory")
    }

    @Test(arguments: [Errno.interrupted, .wouldBlock, .busy, .timedOut])
    func whatPassesCanBeTriedAgain(_ errno: Errno) { #expect(CNIError(errno, "wait").code == 11) }

    @Test func somebodyElsesErrorIsPassedOnUnchanged() {
        let error = CNIError(code: 4711, message: "m", details: "d")
        #expect(error.json(version: "1.0.0") == ["cniVersion": "1.0.0", "code": 4711, "msg": "m", "details": "d"])
    }

    @Test func textsOfAnyKindGiveValidJSON() throws {
        let text = "quote \" backslash \\ line\nzero \0 emoji 😀 separator \u{2028}"
        let bytes = CNIError(.rules, text, text).json(version: "1.1.0").serialize(indent: 4)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
        #expect(object["msg"] as? String == text)
        #expect(object["details"] as? String == text)
    }

    @Test func codesBelowAHundredAreTheSpecifications() {
        let reserved: Set<Int> = [1, 2, 3, 4, 5, 6, 7, 8, 11, 50, 51]
        for code in 0..<100 { #expect(CNIError.Kind(rawValue: code) == nil || reserved.contains(code)) }
        #expect(CNIError.Kind(rawValue: 999) == nil)
    }
}
