// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// Which of several places counts: configuration, CNI_ARGS, runtimeConfig, args.cni; the later ones win.
@Suite("Precedence", .ownNetworkNamespace)
struct PrecedenceTests {
    private let network: TunedNetwork

    init() throws { network = try TunedNetwork() }

    @Test(arguments: 0..<4) func theLastPlaceOfAMACCounts(highest: Int) throws {
        let macs = (0..<4).map { "02:00:00:00:00:1\($0)" }
        var members = [#""mac":"\#(macs[0])""#]
        if highest > 1 { members.append(#""runtimeConfig":{"mac":"\#(macs[2])"}"#) }
        if highest > 2 { members.append(#""args":{"cni":{"mac":"\#(macs[3])"}}"#) }
        let text = members.joined(separator: ",")
        let environment = highest > 0 ? ["CNI_ARGS": "MAC=\(macs[1])"] : [:]
        try network.add(text, environment: environment)
        #expect(try network.properties()["mac"] == macs[highest])
        try network.succeed(network.process("CHECK", text, environment: environment))
        try network.succeed(network.process("DEL", text, environment: environment))
        #expect(try network.properties()["mac"] == TunedNetwork.oldMAC)
    }

    @Test func anEmptyMACOfTheRuntimeIsNone() throws {
        try network.add(#""mac":"02:00:00:00:00:10","runtimeConfig":{"mac":""}"#)
        #expect(try network.properties()["mac"] == "02:00:00:00:00:10")
    }

    @Test func anEmptyMACOfTheCallTakesTheOthersAway() throws {
        try network.add(#""mac":"02:00:00:00:00:10","args":{"cni":{"mac":""}}"#)
        #expect(try network.properties()["mac"] == TunedNetwork.oldMAC)
    }

    @Test func whatTheCallSaysReplacesTheConfiguration() throws {
        try network.add(
            #""promisc":true,"mtu":1400,"allmulti":true,"txQLen":77,"args":{"cni":"#
                + #"{"promisc":false,"mtu":1300,"allmulti":false,"txQLen":55}}"#
        )
        let expected = TunedNetwork.untouched.merging(["mtu": "1300", "txQLen": "55"]) { $1 }
        #expect(try network.properties() == expected)
    }

    @Test func settingsOfTheCallAreMergedByKey() throws {
        let members =
            #""sysctl":{"net.core.somaxconn":"500","net.ipv4.conf.eth0.arp_filter":"1"},"#
            + #""args":{"cni":{"sysctl":{"net/core/somaxconn":"600","net.ipv4.conf.IFNAME.arp_accept":"1"}}}"#
        try network.add(members)
        #expect(try network.setting("core/somaxconn") == "600")
        #expect(try network.setting("ipv4/conf/eth0/arp_filter") == "1")
        #expect(try network.setting("ipv4/conf/eth0/arp_accept") == "1")
        try network.succeed(network.process("CHECK", members))
    }

    @Test func settingsOfTheCallNeedNoneInTheConfiguration() throws {
        try network.add(#""args":{"cni":{"sysctl":{"net.core.somaxconn":"600"}}}"#)
        #expect(try network.setting("core/somaxconn") == "600")
    }

    @Test func argumentsOfOthersArePassedOverIfTheCallerSaysSo() throws {
        let environment = ["CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAME=web;MAC=02:00:00:00:00:11"]
        try network.add("", environment: environment)
        #expect(try network.properties()["mac"] == "02:00:00:00:00:11")
        try network.fail(network.process("ADD", environment: ["CNI_ARGS": "K8S_POD_NAME=web"]), 4, "unknown args")
    }
}
