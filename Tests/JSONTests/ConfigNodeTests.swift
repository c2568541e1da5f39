// SPDX-License-Identifier: Apache-2.0

import JSON
import Testing

/// Reading configurations, and the sentences that say what is wrong in them.
@Suite struct ConfigNodeTests {
    /// A configuration with one of everything.
    private static let root = ConfigNode([
        "name": "net", "MTU": 1500, "isGateway": true, "nothing": .null, "half": .number("1.5"),
        "huge": .number("99999999999999999999"),
        "dns": ["nameservers": ["10.0.0.1", "10.0.0.2"], "search": ["a", 1]],
        "ipam": ["ranges": [[["subnet": "10.1.0.0/16"], ["subnet": 5]]]],
    ])

    @Test func membersAreReadByKindInAnyCase() throws {
        #expect(try Self.root.string("name") == "net")
        #expect(try Self.root.integer("mtu", in: 0...65535) == 1500)
        #expect(try Self.root.bool("isgateway") == true)
        #expect(try Self.root.member("dns")?.strings("nameservers") == ["10.0.0.1", "10.0.0.2"])
    }

    @Test(arguments: ["nothing", "missing"])
    func missingAndNullAreNil(key: String) throws {
        #expect(try Self.root.member(key) == nil)
        #expect(try Self.root.string(key) == nil)
        #expect(try Self.root.bool(key) == nil)
        #expect(try Self.root.integer(key, in: 0...1) == nil)
        #expect(try Self.root.elements(key) == nil)
        #expect(try Self.root.strings(key) == nil)
    }

    @Test func pathsLeadToThePlace() throws {
        let ranges = try #require(try Self.root.member("ipam")?.elements("ranges"))
        let second = try #require(try ranges.first?.elements().last)
        #expect(second.path == "ipam.ranges[0][1]")
        let error = try #require(throws: ConfigError.self) { try second.string("subnet") }
        #expect(error == ConfigError(path: "ipam.ranges[0][1].subnet", problem: "must be a string, not a number"))
        #expect(error.description == "ipam.ranges[0][1].subnet: must be a string, not a number")
        #expect(second.fails("is wrong").description == "ipam.ranges[0][1]: is wrong")
        #expect(try Self.root.member("mtu")?.path == "mtu")
        #expect(try Self.root.members().map(\.node.path).prefix(2) == ["name", "MTU"])
        #expect(try Self.root.member("dns")?.members().map(\.node.path) == ["dns.nameservers", "dns.search"])
    }

    @Test(arguments: [
        ("name", "must be a boolean, not a string"), ("dns", "must be a boolean, not an object"),
        ("mtu", "must be a boolean, not a number"),
    ])
    func aBooleanIsNothingElse(key: String, problem: String) throws {
        let error = try #require(throws: ConfigError.self) { try Self.root.bool(key) }
        #expect(error.problem == problem)
    }

    @Test(arguments: [
        ("name", "must be a number, not a string"), ("mtu", "must be between 0 and 1000, not 1500"),
        ("half", "must be a whole number without fraction or exponent, not 1.5"),
        ("huge", "must be between 0 and 1000, not 99999999999999999999"),
        ("isGateway", "must be a number, not a boolean"),
    ])
    func anIntegerIsWholeAndInRange(key: String, problem: String) throws {
        let error = try #require(throws: ConfigError.self) { try Self.root.integer(key, in: 0...1000) }
        #expect(error.description == "\(key): \(problem)")
    }

    @Test(arguments: [
        ("-9223372036854775808", Int64.min), ("9223372036854775807", .max), ("-0", 0), ("42", 42),
    ])
    func integersReachFromEndToEnd(text: String, expected: Int64) throws {
        #expect(try ConfigNode(.number(text)).integer(in: .min ... .max) == expected)
    }

    @Test(arguments: [("-1", false), ("0", true), ("9", true), ("10", false)])
    func bothEndsOfTheRangeAreAllowed(text: String, fits: Bool) {
        #expect(((try? ConfigNode(.number(text)).integer(in: 0...9)) != nil) == fits)
    }

    @Test(arguments: ["9223372036854775808", "-9223372036854775809", "1e2", "1.0", "2E0"])
    func whatIsNoInt64IsRefused(text: String) {
        #expect(throws: ConfigError.self) { try ConfigNode(.number(text)).integer(in: .min ... .max) }
    }

    @Test func anEndlessNumberIsShortenedInTheSentence() throws {
        let number = JSON.number(String(repeating: "9", count: 100_000))
        let error = try #require(throws: ConfigError.self) { try ConfigNode(number).integer(in: 0...1) }
        #expect(error.description.count < 100)
    }

    @Test func anElementOfTheWrongKindIsNamed() throws {
        let dns = try #require(try Self.root.member("dns"))
        let error = try #require(throws: ConfigError.self) { try dns.strings("search") }
        #expect(error.description == "dns.search[1]: must be a string, not a number")
    }

    @Test(arguments: [
        (JSON.string("x"), "a string"), (.null, "null"), (.array([]), "an array"), (.bool(true), "a boolean"),
    ])
    func aRootThatIsNoObjectIsRefusedWithoutAPath(json: JSON, kind: String) throws {
        let error = try #require(throws: ConfigError.self) { try ConfigNode(json).member("a") }
        #expect(error.description == "must be an object, not \(kind)")
        #expect(throws: ConfigError.self) { try ConfigNode(json).members() }
    }
}
