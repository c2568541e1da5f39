// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// Addresses that somebody asks for, by any of the three ways.
@Suite struct RequestedAddressTests {
    private let network: HostLocalNetwork

    init() throws {
        network = try HostLocalNetwork(
            #","ranges":[[{"subnet":"10.1.0.0/24"}],[{"subnet":"10.2.0.0/24"}],[{"subnet":"fd00::/64"}]]"#
        )
    }

    @Test(arguments: [
        ("IP=10.1.0.77", ""), ("IP=10.1.0.77/24", ""), ("", #","args":{"cni":{"ips":["10.1.0.77"]}}"#),
        ("", #","args":{"cni":{"ips":["10.1.0.77/16"]}}"#), ("", #","runtimeConfig":{"ips":["10.1.0.77"]}"#),
        ("", #","runtimeConfig":{"ips":["10.1.0.77/24"]}"#), ("IP=::ffff:10.1.0.77", ""),
        // The same address by several ways is one address.
        (
            "IP=10.1.0.77",
            #","args":{"cni":{"ips":["10.1.0.77/24"]}},"runtimeConfig":{"ips":["10.1.0.77","10.1.0.77"]}"#
        ),
        ("IgnoreUnknown=1;K8S_POD_NAME=x;IP=10.1.0.77", ""),
    ]) func anAddressIsAskedForByAnyWay(arguments: String, more: String) throws {
        #expect(try network.add("c1", arguments: arguments, more: more) == ["10.1.0.77", "10.2.0.2", "fd00::2"])
        #expect(network.read("last_reserved_ip.0") == "10.1.0.77")
    }

    @Test func addressesOfAllThreeWaysAreJoined() throws {
        let more = #","args":{"cni":{"ips":["10.2.0.88"]}},"runtimeConfig":{"ips":["fd00::99/64"]}"#
        #expect(try network.add("c1", arguments: "IP=10.1.0.77", more: more) == ["10.1.0.77", "10.2.0.88", "fd00::99"])
    }

    @Test func anAddressInNoSetIsRefusedAndNothingIsTaken() throws {
        for ips in [#"["192.0.2.1"]"#, #"["10.1.0.5","10.1.0.6","192.0.2.1"]"#] {
            let left = ips.contains("10.1") ? "10.1.0.6 192.0.2.1" : "192.0.2.1"
            try network.call("ADD", more: #","runtimeConfig":{"ips":\#(ips)}"#).expectFailure(
                103,
                "failed to allocate all requested IPs: \(left)"
            )
        }
        #expect(try network.leases().isEmpty)
    }

    @Test func theGatewayAndTakenAddressesAreRefused() throws {
        #expect(try network.add("c1", arguments: "IP=10.2.0.9") == ["10.1.0.2", "10.2.0.9", "fd00::2"])
        try network.call("ADD", "c2", arguments: "IP=10.2.0.1").expectFailure(
            103,
            "failed to allocate for range 1: requested ip 10.2.0.1 is subnet's gateway"
        )
        try network.call("ADD", "c2", arguments: "IP=10.2.0.9").expectFailure(
            103,
            "failed to allocate for range 1: requested IP address 10.2.0.9 is not available in range set "
                + "10.2.0.1-10.2.0.254",
            "c1"
        )
        #expect(try network.leases().count == 3)
    }

    @Test func whatIsNoAddressIsRefusedWithItsPlace() throws {
        try network.call("ADD", arguments: "IP=ten").expectFailure(4, #"CNI_ARGS: invalid IP "ten""#)
        try network.call("ADD", more: #","runtimeConfig":{"ips":["10.1.0.5","ten"]}"#).expectFailure(
            7,
            "invalid network config",
            "runtimeConfig.ips[1]: "
        )
        try network.call("ADD", more: #","args":{"cni":{"ips":[5]}}"#).expectFailure(
            7,
            "invalid network config",
            "args.cni.ips[0]: "
        )
        try network.call("ADD", arguments: "IP=10.1.0.5;K8S=1").expectFailure(
            4,
            #"CNI_ARGS: ARGS: unknown args ["K8S=1"]"#
        )
        #expect(try network.leases().isEmpty)
    }

    @Test func emptyListsAskForNothing() throws {
        let more = #","args":{"cni":{"ips":[]}},"runtimeConfig":{"ips":null}"#
        #expect(try network.add("c1", arguments: "IP=", more: more) == ["10.1.0.2", "10.2.0.2", "fd00::2"])
    }

    @Test func roundRobinGoesOnAfterReleasesAndRequests() throws {
        let network = try HostLocalNetwork(#","subnet":"10.1.0.0/29""#)
        var given = try network.add("a") + network.add("b")
        try network.delete("a")
        try network.delete("b")
        given += try network.add("c")
        given += try network.add("d", arguments: "IP=10.1.0.6")
        given += try network.add("e") + network.add("f") + network.add("g")
        #expect(given == ["10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.6", "10.1.0.2", "10.1.0.3", "10.1.0.5"])
        try network.call("ADD", "h").expectFailure(
            101,
            "failed to allocate for range 0: no IP addresses available in range set: 10.1.0.1-10.1.0.6",
            "5"
        )
    }

    @Test func aSecondAddIsADuplicate() throws {
        _ = try network.add("c1")
        try network.call("ADD").expectFailure(
            107,
            "failed to allocate for range 0: 10.1.0.2 has been allocated to c1, duplicate allocation is not allowed"
        )
        #expect(try network.add("c1", interface: "eth1") == ["10.1.0.3", "10.2.0.3", "fd00::3"])
        #expect(try network.leases().count == 6)
    }
}
