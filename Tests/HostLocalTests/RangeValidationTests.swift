// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// What is refused of ranges, with the place in the configuration, and what is not.
@Suite struct RangeValidationTests {
    /// A configuration that is wrong, and what must be said of it.
    struct Refusal: CustomTestStringConvertible {
        let ipam: String
        let details: String
        var testDescription: String { ipam }
    }

    private static let good = #"[{"subnet":"10.1.0.0/24"}]"#

    static let refusals = [
        Refusal(ipam: "", details: "ipam: no IP ranges specified"),
        Refusal(ipam: #","ranges":[]"#, details: "ipam: no IP ranges specified"),
        Refusal(ipam: #","ranges":null,"subnet":"""#, details: "ipam: no IP ranges specified"),
        Refusal(ipam: #","ranges":[\#(good),[]]"#, details: "ipam.ranges[1]: empty range set"),
        Refusal(ipam: #","ranges":[[{"gateway":"10.1.0.1"}]]"#, details: "ipam.ranges[0][0]: subnet is missing"),
        Refusal(ipam: #","ranges":{}"#, details: "ipam.ranges: must be an array"),
        Refusal(ipam: #","ranges":[{"subnet":"10.1.0.0/24"}]"#, details: "ipam.ranges[0]: must be an array"),
        Refusal(
            ipam: #","subnet":"10.1.0.0/31""#,
            details: "ipam.subnet: Network 10.1.0.0/31 too small to allocate from"
        ),
        Refusal(
            ipam: #","subnet":"10.1.0.0/32""#,
            details: "ipam.subnet: Network 10.1.0.0/32 too small to allocate from"
        ),
        Refusal(
            ipam: #","subnet":"fd00::/127""#,
            details: "ipam.subnet: Network fd00::/127 too small to allocate from"
        ),
        Refusal(
            ipam: #","ranges":[[{"subnet":"10.2.0.0/24"},{"subnet":"10.1.0.5/24"}]]"#,
            details: "ipam.ranges[0][1].subnet: Network has host bits set. For a subnet mask of length 24 the network "
                + "address is 10.1.0.0"
        ),
        Refusal(ipam: #","subnet":"10.1.0.0""#, details: "ipam.subnet: "),
        Refusal(ipam: #","subnet":"10.1.0.0/33""#, details: "ipam.subnet: "),
        Refusal(ipam: #","subnet":17"#, details: "ipam.subnet: must be a string"),
        Refusal(
            ipam: #","subnet":"10.1.0.0/24","rangeStart":"10.2.0.5""#,
            details: "ipam.rangeStart: RangeStart 10.2.0.5 not in network 10.1.0.0/24"
        ),
        Refusal(
            ipam: #","ranges":[\#(good),[{"subnet":"10.2.0.0/24","rangeEnd":"fd00::1"}]]"#,
            details: "ipam.ranges[1][0].rangeEnd: RangeEnd fd00::1 not in network 10.2.0.0/24"
        ),
        Refusal(
            ipam: #","subnet":"10.1.0.0/24","rangeStart":"10.1.0.9","rangeEnd":"10.1.0.8""#,
            details: "ipam.rangeEnd: it is before rangeStart"
        ),
        Refusal(ipam: #","subnet":"10.1.0.0/24","gateway":"nonsense""#, details: "ipam.gateway: "),
        Refusal(
            ipam: #","ranges":[[{"subnet":"10.1.0.0/24"},{"subnet":"fd00::/64"}]]"#,
            details: "ipam.ranges[0][1]: mixed address families"
        ),
        Refusal(
            ipam: #","ranges":[[{"subnet":"10.1.0.0/24"},{"subnet":"10.1.0.0/25"}]]"#,
            details: "ipam.ranges[0][1]: subnets 10.1.0.1-10.1.0.254 and 10.1.0.1-10.1.0.126 overlap"
        ),
        Refusal(
            ipam: #","ranges":[\#(good),[{"subnet":"10.2.0.0/24"}],[{"subnet":"10.1.0.128/25"}]]"#,
            details: "ipam: range set 0 overlaps with 2"
        ),
        Refusal(ipam: #","subnet":"10.1.0.0/24","routes":[{"dst":"nonsense"}]"#, details: "ipam.routes[0].dst: "),
        Refusal(
            ipam: #","subnet":"10.1.0.0/24","routes":[{"gw":"10.1.0.1"}]"#,
            details: "ipam.routes[0]: dst is missing"
        ),
        Refusal(
            ipam: #","subnet":"10.1.0.0/24","routes":[{"dst":"::/0","scope":256}]"#,
            details: "ipam.routes[0].scope: "
        ),
    ]

    @Test(arguments: refusals) func aRangeThatIsWrongIsRefusedWithItsPlace(refusal: Refusal) throws {
        let network = try HostLocalNetwork(refusal.ipam)
        for command in ["ADD", "DEL", "CHECK"] {
            try network.call(command).expectFailure(7, "invalid network config", refusal.details)
        }
        #expect(try network.leases().isEmpty)
    }

    @Test func rangesOfTheRuntimeAreValidatedAtTheirOwnPlace() throws {
        var network = try HostLocalNetwork()
        network.more = #","runtimeConfig":{"ipRanges":[[{"subnet":"10.3.0.0/31"}]]}"#
        try network.call("ADD").expectFailure(7, "invalid network config", "runtimeConfig.ipRanges[0][0].subnet: ")
        network.more = #","runtimeConfig":{"ipRanges":[[{"subnet":"10.1.0.0/28"}]]}"#
        try network.call("ADD").expectFailure(7, "invalid network config", "range set 0 overlaps with 1")
    }

    @Test func aConfigurationWithoutIpamIsRefused() throws {
        var process = try HostLocalNetwork().process("ADD")
        process.input = .bytes(Array(#"{"cniVersion":"1.0.0","name":"lab","type":"bridge"}"#.utf8))
        try Answer(process.run()).expectFailure(7, "invalid network config", "IPAM config missing 'ipam' key")
    }

    /// A range and all the addresses that it gives.
    private func expectAddresses(
        _ ipam: String,
        _ expected: [String],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let network = try HostLocalNetwork(ipam)
        let given = try expected.indices.map { try network.add("c\($0)").joined() }
        #expect(given == expected, sourceLocation: sourceLocation)
        let code = try network.call("ADD", "over").code
        #expect(code == 101, sourceLocation: sourceLocation)
    }

    @Test func theSmallestNetworksWork() throws {
        try expectAddresses(#","subnet":"10.1.0.0/30""#, ["10.1.0.2"])
        try expectAddresses(#","subnet":"fd00::/126""#, ["fd00::2", "fd00::3"])
    }

    @Test func networkAndBroadcastAddressAreNeverGiven() throws {
        try expectAddresses(
            #","subnet":"10.1.0.0/29","rangeStart":"10.1.0.0","rangeEnd":"10.1.0.7","gateway":"10.1.0.4""#,
            ["10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.5", "10.1.0.6"]
        )
        try expectAddresses(#","subnet":"10.1.0.4/30","rangeStart":"10.1.0.6","rangeEnd":"10.1.0.7""#, ["10.1.0.6"])
    }

    @Test func aGatewayOutsideTheSubnetIsNoError() throws {
        try expectAddresses(#","subnet":"10.1.0.0/30","gateway":"192.0.2.1""#, ["10.1.0.1", "10.1.0.2"])
    }
}
