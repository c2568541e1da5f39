// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import CNI

/// The environment variable CNI_ARGS.
@Suite struct ArgumentsTests {
    private static let known = ["IP", "MAC", "K8S_POD_NAME"]

    @Test func pairsAreReadInAnyOrder() throws {
        let arguments = try Arguments("MAC=02:00:00:00:00:01;K8S_POD_NAME=web-0;IP=10.0.0.5", known: Self.known)
        #expect(arguments["IP"] == "10.0.0.5")
        #expect(arguments["MAC"] == "02:00:00:00:00:01")
        #expect(arguments["K8S_POD_NAME"] == "web-0")
        #expect(arguments["GATEWAY"] == nil)
    }

    @Test(arguments: ["", ";", ";;;", "IP=10.0.0.5;", ";IP=10.0.0.5", "IP=10.0.0.5;;MAC=x"])
    func emptySegmentsAreAccepted(text: String) throws {
        let arguments = try Arguments(text, known: Self.known)
        #expect(arguments["IP"] == (text.contains("IP") ? "10.0.0.5" : nil))
    }

    @Test func anEmptyValueIsAValue() throws { #expect(try Arguments("IP=", known: Self.known)["IP"] == "") }

    @Test func theLastOfEqualKeysCounts() throws {
        #expect(try Arguments("IP=1;IP=2", known: Self.known)["IP"] == "2")
    }

    @Test(arguments: ["IP", "IP=1=2", "IP==", "IP=1;MAC"])
    func aPairHasExactlyOneEqualsSign(text: String) throws {
        let error = try #require(throws: CNIError.self) { try Arguments(text, known: Self.known) }
        #expect(error.code == 4)
        #expect(error.message.hasPrefix("CNI_ARGS: ARGS: invalid pair \""))
    }

    @Test(arguments: [
        "FOO=1", "ip=10.0.0.5", "IP=1;K8S_POD_UID=2", "IgnoreUnknown=0;FOO=1", "FOO=1;IgnoreUnknown=FALSE",
    ])
    func unknownKeysAreRefused(text: String) throws {
        let error = try #require(throws: CNIError.self) { try Arguments(text, known: Self.known) }
        #expect(error.code == 4)
        #expect(error.message.hasPrefix("CNI_ARGS: ARGS: unknown args [\""))
    }

    @Test func allUnknownPairsAreNamed() throws {
        let error = try #require(throws: CNIError.self) { try Arguments("A=1;IP=2;B=3", known: Self.known) }
        #expect(error.message == #"CNI_ARGS: ARGS: unknown args ["A=1" "B=3"]"#)
    }

    @Test(arguments: ["1", "true", "TRUE", "True"], [false, true])
    func unknownKeysArePassedOverWhenTold(value: String, first: Bool) throws {
        let pairs = first ? ["IgnoreUnknown=\(value)", "FOO=1"] : ["FOO=1", "IgnoreUnknown=\(value)"]
        let arguments = try Arguments((pairs + ["IP=3"]).joined(separator: ";"), known: Self.known)
        #expect(arguments["IP"] == "3")
    }

    @Test(arguments: ["yes", "", "2", "t"])
    func ignoreUnknownIsABoolean(value: String) throws {
        let error = try #require(throws: CNIError.self) {
            try Arguments("IgnoreUnknown=\(value);FOO=1", known: Self.known)
        }
        #expect(error.code == 4)
        #expect(error.message.contains("IgnoreUnknown=\(value)"))
    }

    @Test func keysThatAreNoTextDoNotCrash() throws {
        #expect(throws: CNIError.self) { try Arguments("\u{0}=\u{1F600}", known: []) }
        #expect(try Arguments("IP=ä;IgnoreUnknown=1", known: ["IP"])["IP"] == "ä")
    }
}
