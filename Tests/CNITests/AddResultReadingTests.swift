// SPDX-License-Identifier: Apache-2.0

import JSON
import Support
import Testing

@testable import CNI

/// What readers of results must put up with.
@Suite struct AddResultReadingTests {
    private static let unknownMembers = """
        {"cniVersion":"1.1.0","interfaces":[{"name":"eth0","metadata":{"k":"v"}}],
        "ips":[{"address":"10.0.0.2/24","lease":1.50}],"routes":[{"dst":"::/0","gws":["fe80::1"]}],
        "dns":{"domain":"a"},"future":[null,{"x":true}]}
        """

    @Test func unknownMembersAreKeptInTheSameVersion() throws {
        let written = try ResultText.write(try ResultText.read(Self.unknownMembers), .v1_1_0)
        #expect(try ResultText.meaning(written) == ResultText.meaning(Self.unknownMembers))
        #expect(written.contains("1.50"))
    }

    @Test(arguments: Version.allCases.filter { $0 != .v1_1_0 })
    func unknownMembersAreDroppedInAnotherVersion(version: Version) throws {
        let written = try ResultText.write(try ResultText.read(Self.unknownMembers), version)
        for key in ["metadata", "lease", "gws", "future"] { #expect(!written.contains(key)) }
    }

    @Test(arguments: ["interfaces", "ips", "routes"])
    func nullEntriesAreSkipped(key: String) throws {
        let entries = [
            "interfaces": #"{"name":"eth0"}"#, "ips": #"{"address":"10.0.0.2/24"}"#, "routes": #"{"dst":"::/0"}"#,
        ]
        let entry = try #require(entries[key])
        let result = try ResultText.read(#"{"cniVersion":"1.0.0","\#(key)":[null,\#(entry),null]}"#)
        #expect(result.interfaces.count + result.ips.count + result.routes.count == 1)
    }

    @Test(arguments: [
        "", #","interfaces":null,"ips":null,"routes":null,"dns":null"#, #","interfaces":[],"ips":[],"dns":{}"#,
    ])
    func absentNullAndEmptyAreAlike(members: String) throws {
        let result = try ResultText.read(#"{"cniVersion":"0.4.0"\#(members)}"#)
        #expect(result.interfaces.isEmpty && result.ips.isEmpty && result.routes.isEmpty && result.dns.isEmpty)
    }

    @Test func nullEntriesOfOldRoutesAreSkipped() throws {
        let result = try ResultText.read(
            #"{"cniVersion":"0.2.0","ip4":{"ip":"10.0.0.2/24","routes":[null,{"dst":"0.0.0.0/0"}]},"ip6":null}"#
        )
        #expect(result.routes.count == 1)
        #expect(result.ips.count == 1)
    }

    @Test(arguments: [("-1", Int?.none), ("0", 0), ("7", 7), ("null", nil)])
    func anInterfaceOfMinusOneIsNone(text: String, expected: Int?) throws {
        let result = try ResultText.read(
            #"{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.2/24","interface":\#(text)}]}"#
        )
        #expect(result.ips.first?.interface == expected)
        #expect(try ResultText.write(result, .v1_0_0).contains("interface") == (expected != nil))
    }

    @Test func zeroIsAValueOnlyForTheScope() throws {
        let result = try ResultText.read(
            #"{"cniVersion":"1.1.0","routes":[{"dst":"::/0","scope":0,"mtu":0,"advmss":0,"priority":0}]}"#
        )
        let route = try #require(result.routes.first)
        #expect(route.scope == 0)
        #expect(route.mtu == nil && route.advertisedMSS == nil && route.priority == nil)
        #expect(try ResultText.write(result, .v1_1_0).contains(#""scope": 0"#))
    }

    @Test func keysMatchInAnyCase() throws {
        let result = try ResultText.read(
            """
            {"CNIVersion":"1.0.0","IPs":[{"Address":"10.0.0.2/8","GateWay":"10.0.0.1"}],
            "Interfaces":[{"NAME":"eth0"}]}
            """
        )
        #expect(result.source == .v1_0_0)
        #expect(result.ips.first?.gateway?.description == "10.0.0.1")
        #expect(result.interfaces.first?.name == "eth0")
        #expect(result.unknown.isEmpty)
    }

    @Test func anAddressMappedIntoIPv6IsIPv4() throws {
        let result = try ResultText.read(#"{"cniVersion":"1.0.0","ips":[{"address":"::ffff:10.0.0.2/120"}]}"#)
        #expect(try ResultText.write(result, .v0_4_0).contains(#""version": "4""#))
    }

    @Test(arguments: ["", #""cniVersion":"","#, #""cniVersion":null,"#])
    func aResultWithoutAVersionHasThatOfTheConfiguration(member: String) throws {
        let text = #"{\#(member)"ips":[{"address":"10.0.0.2/24"}],"future":1}"#
        let result = try ResultText.read(text, assuming: .v1_0_0)
        #expect(result.source == .v1_0_0)
        #expect(try ResultText.write(result, .v1_0_0).contains("future"))
    }

    @Test(arguments: Version.allCases)
    func theShapeTellsOldFromNewWhateverTheVersion(version: Version) throws {
        let old = try ResultText.read(#"{"ip4":{"ip":"10.0.0.2/24"}}"#, assuming: version)
        let new = try ResultText.read(#"{"ips":[{"address":"10.0.0.2/24"}]}"#, assuming: version)
        #expect(old.ips.map { $0.address } == new.ips.map { $0.address })
        #expect(old.ips.count == 1)
    }

    @Test(arguments: [
        (#"{"cniVersion":"9.9.9"}"#, "cniVersion is \"9.9.9\""), (#"{"cniVersion":1}"#, "cniVersion"),
        (#"{"ips":[{"gateway":"10.0.0.1"}]}"#, "ips[0]"), (#"{"ips":[{"address":"10.0.0.1"}]}"#, "ips[0].address"),
        (#"{"ips":[{"address":"10.0.0.1/24","gateway":"x"}]}"#, "ips[0].gateway"), (#"{"ips":{}}"#, "ips"),
        (#"{"ips":[{"address":"10.0.0.1/24","interface":-2}]}"#, "ips[0].interface"),
        (#"{"ips":[null,{"address":"10.0.0.1/33"}]}"#, "ips[1].address"), (#"{"routes":[{}]}"#, "routes[0]"),
        (#"{"routes":[{"dst":"::/0","scope":256}]}"#, "routes[0].scope"),
        (#"{"routes":[{"dst":"::/0","mtu":-1}]}"#, "routes[0].mtu"),
        (#"{"routes":[{"dst":"::/0","priority":1.5}]}"#, "routes[0].priority"),
        (#"{"interfaces":[{"name":"a"},5]}"#, "interfaces[1]"), (#"{"ip4":{"gateway":"10.0.0.1"}}"#, "ip4"),
        (#"{"dns":{"nameservers":"10.0.0.1"}}"#, "dns.nameservers"), ("[]", ""),
    ])
    func whatIsWrongIsNamedWithItsPlace(text: String, place: String) throws {
        let error = try #require(throws: ConfigError.self) { try ResultText.read(text) }
        #expect(error.description.hasPrefix(place), "\(error.description)")
    }

    @Test(arguments: ["", "{", "ips", "{}{}"])
    func whatADelegatePrintsMustBeJSON(text: String) throws {
        let error = try #require(throws: CNIError.self) { try AddResult(printed: Array(text.utf8), assuming: .newest) }
        #expect(error.code == 6)
    }
}
