// SPDX-License-Identifier: Apache-2.0

import Addressing
import Foundation
import JSON
import Support
import Testing

@testable import CNI

/// Results of every version, read and written in every version.
@Suite struct AddResultTests {
    private static let examples = ["0.2.0", "0.4.0", "1.0.0", "1.1.0", "ipam-1.1.0"]

    @Test(arguments: examples, Version.allCases)
    func anExampleOfTheSpecificationInEachVersion(example: String, version: Version) throws {
        let result = try ResultText.read(try Golden.text("spec/result-\(example).json"))
        expectGolden("results/\(version.description)/from-\(example).json", try ResultText.write(result, version))
    }

    @Test(arguments: examples)
    func anExampleComesOutAsItCameIn(example: String) throws {
        let text = try Golden.text("spec/result-\(example).json")
        let result = try ResultText.read(text)
        let version = try #require(result.source)
        #expect(try ResultText.meaning(try ResultText.write(result, version)) == ResultText.meaning(text))
    }

    @Test(arguments: Version.allCases)
    func whatWasWrittenIsReadAndWrittenAlike(version: Version) throws {
        for example in Self.examples {
            let written = try ResultText.write(
                try ResultText.read(try Golden.text("spec/result-\(example).json")),
                version
            )
            let again = try ResultText.read(written)
            #expect(again.source == version)
            #expect(try ResultText.write(again, version) == written)
        }
    }

    @Test(arguments: Version.allCases, Version.allCases)
    func aWayThroughAnotherVersionLosesOnlyWhatThatLacks(first: Version, second: Version) throws {
        let full = try ResultText.read(try Golden.text("spec/result-1.1.0.json"))
        let direct = try ResultText.write(full, min(first, second))
        let through = try ResultText.read(try ResultText.write(full, max(first, second)))
        #expect(try ResultText.write(through, min(first, second)) == direct)
    }

    @Test func oldAddressesBecomeTwoWithTheirRoutesInOrder() throws {
        let result = try ResultText.read(try Golden.text("spec/result-0.2.0.json"))
        #expect(result.interfaces.isEmpty)
        #expect(result.ips.map { $0.address.description } == ["10.22.0.7/16", "fd22::7/64"])
        #expect(result.ips.map { $0.gateway?.description } == ["10.22.0.1", "fd22::1"])
        #expect(result.routes.map { $0.destination.description } == ["0.0.0.0/0", "192.168.4.0/24", "::/0"])
    }

    @Test(arguments: [Version.v0_1_0, .v0_2_0])
    func onlyTheFirstAddressOfEachFamilySurvivesInOldVersions(version: Version) throws {
        let text = """
            {"cniVersion":"1.0.0","ips":[{"address":"fd00::1/64"},{"address":"10.0.0.1/8"},{"address":"10.0.0.2/8"}],
            "routes":[{"dst":"10.9.0.0/16","gw":"10.0.0.9","mtu":1400},{"dst":"fd01::/64"}]}
            """
        let expected = """
            {"cniVersion":"\(version.description)",
            "ip4":{"ip":"10.0.0.1/8","routes":[{"dst":"10.9.0.0/16","gw":"10.0.0.9"}]},
            "ip6":{"ip":"fd00::1/64","routes":[{"dst":"fd01::/64"}]},"dns":{}}
            """
        let written = try ResultText.write(try ResultText.read(text), version)
        #expect(try ResultText.meaning(written) == ResultText.meaning(expected))
    }

    @Test func routesOfAFamilyWithoutAnAddressAreLostInOldVersions() throws {
        let result = try ResultText.read(
            #"{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.1/8"}],"routes":[{"dst":"::/0"}]}"#
        )
        #expect(!(try ResultText.write(result, .v0_2_0)).contains("::"))
    }

    @Test(arguments: [Version.v0_1_0, .v0_2_0])
    func aResultWithoutAddressesHasNoOldForm(version: Version) throws {
        let result = try ResultText.read(#"{"cniVersion":"1.0.0","interfaces":[{"name":"eth0"}]}"#)
        let error = try #require(throws: CNIError.self) { try result.json(version) }
        #expect(error.code == 7)
        #expect(error.message == "cannot convert: no valid IP addresses")
    }

    @Test(arguments: Version.allCases.filter { $0 >= .v0_3_0 })
    func anEmptyResultIsWrittenInNewerVersions(version: Version) throws {
        let expected: JSON =
            version < .v1_0_0
            ? ["cniVersion": .string(version.description), "dns": [:]] : ["cniVersion": .string(version.description)]
        #expect(try AddResult().json(version) == expected)
    }
}
