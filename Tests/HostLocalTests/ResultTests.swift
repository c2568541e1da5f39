// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// What ADD prints in every version, and where each member of it comes from.
@Suite struct ResultTests {
    static let versions = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]
    private static let ranges =
        #","ranges":[[{"subnet":"10.1.0.0/16","gateway":"10.1.0.254"}],[{"subnet":"fd00:1::/64"}]]"#
    private static let routes = #"""
        ,"routes":[{"dst":"0.0.0.0/0"},{"dst":"192.168.0.0/16","gw":"10.1.0.9","mtu":1400,"advmss":1300,"priority":7,
        "table":99,"scope":253},{"dst":"::/0","gw":"fd00:1::9"}]
        """#

    @Test(arguments: versions) func theWholeResultIsThatOfItsVersion(version: String) throws {
        var network = try HostLocalNetwork(Self.ranges + Self.routes)
        network.version = version
        let file =
            "# comment\nnameserver 10.0.0.53 # rest\n; other\ndomain example.org\nsearch a.org b.org\n"
            + "options ndots:5 edns0\n"
        network.ipam += #","resolvConf":"\#(try network.writeBeside(file, to: "resolv.conf"))""#
        let answer = try network.call("ADD")
        #expect(answer.exitCode == 0 && answer.stderr.isEmpty, "\(answer)")
        expectGolden("store/result-\(version).json", answer.text)
        for command in version == "1.1.0" ? ["STATUS", "GC", "DEL", "DEL"] : ["DEL", "DEL"] {
            let answer = try network.call(command)
            #expect(answer.exitCode == 0 && answer.text.isEmpty, "\(answer)")
        }
        #expect(try network.leases().isEmpty)
    }

    @Test(arguments: ["0.1.0", "0.2.0"]) func oldVersionsHaveNoFormForTwoAddressesOfAFamily(version: String) throws {
        for second in ["10.2.0.0/24", "fd00:1::/64"] {
            var network = try HostLocalNetwork(#","ranges":[[{"subnet":"10.1.0.0/24"}],[{"subnet":"\#(second)"}]]"#)
            network.version = version
            let answer = try network.call("ADD")
            if second.hasPrefix("fd") {
                #expect(answer.prefixes == ["10.1.0.2/24", "fd00:1::2/64"])
            } else {
                answer.expectFailure(7, "CNI version \(version) does not support more than 1 address per family")
                #expect(try network.leases().isEmpty)
            }
        }
    }

    @Test func oneRangeInTheOldFormStandsBeforeRanges() throws {
        let network = try HostLocalNetwork(
            #","subnet":"10.1.0.0/24","rangeStart":"10.1.0.5","rangeEnd":"10.1.0.6","gateway":"10.1.0.9","#
                + #""ranges":[[{"subnet":"10.2.0.0/24"}]]"#
        )
        let answer = try network.call("ADD")
        #expect(answer.prefixes == ["10.1.0.5/24", "10.2.0.2/24"])
        #expect(answer.gateways == ["10.1.0.9", "10.2.0.1"])
    }

    @Test func rangesOfTheRuntimeStandFirst() throws {
        var network = try HostLocalNetwork(#","subnet":"10.1.0.0/24","ranges":[[{"subnet":"10.2.0.0/24"}]]"#)
        network.more = #","runtimeConfig":{"ipRanges":[[{"subnet":"10.3.0.0/24"}],[{"subnet":"10.4.0.0/24"}]]}"#
        #expect(try network.add("c1") == ["10.3.0.2", "10.4.0.2", "10.1.0.2", "10.2.0.2"])
        #expect(network.read("last_reserved_ip.3") == "10.2.0.2")
    }

    @Test func rangesOfTheRuntimeAreEnough() throws {
        var network = try HostLocalNetwork("")
        network.more = #","runtimeConfig":{"ipRanges":[[{"subnet":"10.3.0.0/24"}]]}"#
        #expect(try network.add("c1") == ["10.3.0.2"])
    }

    @Test func aSetIsOnePoolOfSeveralRanges() throws {
        let network = try HostLocalNetwork(
            #","ranges":[[{"subnet":"10.1.0.0/30","gateway":"10.1.0.3"},"#
                + #"{"subnet":"10.2.0.0/29","rangeStart":"10.2.0.6"}]]"#
        )
        let prefixes = try ["a", "b", "c"].flatMap { try network.call("ADD", $0).prefixes }
        #expect(prefixes == ["10.1.0.1/30", "10.1.0.2/30", "10.2.0.6/29"])
        try network.call("ADD", "d").expectFailure(
            101,
            "failed to allocate for range 0: no IP addresses available in range set: 10.1.0.1-10.1.0.2,"
                + "10.2.0.6-10.2.0.6"
        )
    }

    @Test func addressesOfTheMappedFormAreThoseOfTheirOwnFamily() throws {
        let network = try HostLocalNetwork(#","subnet":"10.1.0.0/24","rangeStart":"::ffff:10.1.0.7""#)
        #expect(try network.add("c1") == ["10.1.0.7"])
    }

    @Test func aFileOfNameServersThatIsMissingIsAnErrorBeforeAnythingIsTaken() throws {
        let network = try HostLocalNetwork(#","subnet":"10.1.0.0/24","resolvConf":"/nowhere/resolv.conf""#)
        let answer = try network.call("ADD")
        answer.expectFailure(5, "cannot read ipam.resolvConf, /nowhere/resolv.conf", "ENOENT")
        #expect(try network.leases().isEmpty)
        try network.delete("c1")
    }
}
