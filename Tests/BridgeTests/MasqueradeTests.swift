// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// What ipMasq does to packets, and with which rules.
@Suite("ipMasq", .ownNetworkNamespace)
struct MasqueradeTests {
    typealias Backend = MasqueradedNetwork.Backend

    @Test(arguments: [nil, Backend.nftables, .iptables]) func outsideTheHostsAddressIsSeen(backend: Backend?) throws {
        let network = try MasqueradedNetwork(backend)
        let containers = try [ContainerNamespace(), ContainerNamespace()]
        for (number, container) in containers.enumerated() {
            try network.bridge().of(container, "c\(number + 1)").call("ADD")
        }
        for (number, container) in containers.enumerated() {
            for address in MasqueradedNetwork.addresses(number) {
                let isV6 = address.contains(":")
                let seen = try Wire.source(
                    from: container,
                    as: address,
                    to: network.wire.outside,
                    at: Wire.outsideAddresses[isV6 ? 1 : 0]
                )
                #expect(seen == Wire.hostAddresses[isV6 ? 1 : 0], "\(address)")
            }
        }
        // Who comes from outside is seen as who it is.
        let seen = try Wire.source(from: network.wire.outside, to: containers[0], at: "10.88.0.2")
        #expect(seen == "192.0.2.2")
        // Others that the host forwards for are none of the plugin's business.
        try network.bridge("wan", "", subnets: ["10.77.0.0/24"]).of(containers[0], "c1").with { $0.interface = "eth1" }
            .call("ADD")
        let other = try Wire.source(from: containers[0], as: "10.77.0.2", to: network.wire.outside, at: "192.0.2.2")
        #expect(other != "192.0.2.1")
    }

    @Test func withoutItTheContainersAddressIsSeen() throws {
        let network = try MasqueradedNetwork(nil)
        let container = try ContainerNamespace()
        try network.bridge("lan", #","ipMasq":false"#).of(container, "c1").call("ADD")
        for (source, target) in [("10.99.0.2", "192.0.2.2"), ("fd88::2", "2001:db8::2")] {
            let seen = try Wire.source(from: container, as: source, to: network.wire.outside, at: target)
            #expect(seen == source)
        }
        #expect(try PacketFilter().isEmpty)
    }

    @Test(arguments: Backend.allCases) func withinTheNetworkNothingIsChanged(backend: Backend) throws {
        let network = try MasqueradedNetwork(backend)
        let (first, second) = (try ContainerNamespace(), try ContainerNamespace())
        try network.bridge().of(first, "c1").call("ADD")
        try network.bridge().of(second, "c2").call("ADD")
        for (own, other) in zip(MasqueradedNetwork.addresses(0), MasqueradedNetwork.addresses(1)) {
            let seen = try Wire.source(from: first, as: own, to: second, at: other)
            #expect(seen == own)
        }
    }

    @Test(arguments: Backend.allCases, ["239.1.2.3", "ff05::123"])
    func multicastKeepsItsSource(backend: Backend, group: String) throws {
        let network = try MasqueradedNetwork(backend)
        let (first, second) = (try ContainerNamespace(), try ContainerNamespace())
        try network.bridge().of(first, "c1").call("ADD")
        try network.bridge().of(second, "c2").call("ADD")
        let own = group.contains(":") ? "fd88::2" : "10.88.0.2"
        let listener = try second.inside {
            let listener = try InternetSocket(.datagram, at: group, port: 7000)
            try listener.join(group, on: "eth0")
            return listener
        }
        let sender = try first.inside { try InternetSocket(.datagram, at: own) }
        sender.send("hello", to: group, port: 7000)
        let seen = listener.receiveWithSender()?.sender.address
        #expect(seen == own)
    }

    @Test func theTableIsWhatTheReadmeSays() throws {
        let network = try MasqueradedNetwork(nil)
        let containers = try [ContainerNamespace(), ContainerNamespace()]
        try network.bridge().of(containers[0], "c1").call("ADD")
        expectGolden("nftables/masquerade-one.txt", try PacketFilter().nftables + "\n")
        try network.bridge().of(containers[1], "c2").call("ADD")
        expectGolden("nftables/masquerade-two.txt", try PacketFilter().nftables + "\n")
        try network.bridge().of(containers[0], "c1").call("DEL")
        expectGolden("nftables/masquerade-second.txt", try PacketFilter().nftables + "\n")
        #expect(try PacketFilter().iptables == [])
    }

    @Test func theChainsAreThoseOfTheReference() throws {
        let network = try MasqueradedNetwork(.iptables)
        let container = try ContainerNamespace()
        try network.bridge().of(container, "c1").call("ADD")
        expectGolden("nftables/masquerade-iptables.txt", try PacketFilter().description + "\n")
    }

    @Test func whatIsNoBackendIsNamed() throws {
        let network = try MasqueradedNetwork(nil)
        let container = try ContainerNamespace()
        for keys in [#","ipMasq":true,"ipMasqBackend":"ebtables""#, #","ipMasqBackend":"ebtables""#] {
            for command in ["ADD", "STATUS"] {
                let failure = try network.bridge("lan", keys).of(container, "c1").failure(command)
                #expect(failure.code == 7, "\(failure)")
                #expect(failure.text.contains("ipMasqBackend") && failure.text.contains("ebtables"), "\(failure)")
            }
        }
        let failure = try network.bridge("lan", #","ipMasq":"yes""#).of(container, "c1").failure("ADD")
        #expect(failure.code == 7 && failure.text.contains("ipMasq"), "\(failure)")
        #expect(try PacketFilter().isEmpty)
        // An empty one is none.
        try network.bridge("lan", #","ipMasq":true,"ipMasqBackend":"""#).of(container, "c1").call("ADD")
        #expect(try PacketFilter().contains("swift_cni_masquerade"))
    }

    @Test func aStatusMakesNoRulesAndSaysWhatToInstall() throws {
        let directory = try TemporaryDirectory()
        try directory.write("", to: "libnftables.so.1")
        for backend in [nil, Backend.nftables, .iptables] {
            let network = try MasqueradedNetwork(backend)
            try network.bridge().call("STATUS")
            let poor = network.bridge().with { $0.environment["LD_LIBRARY_PATH"] = directory.path }
            if backend == .iptables {
                try poor.call("STATUS")
            } else {
                let failure = try poor.failure("STATUS")
                #expect(failure.code == 50 && failure.text.contains("libnftables1"), "\(failure)")
            }
            try Programs.run("ip", "link", "delete", "up0")
        }
        #expect(try PacketFilter().isEmpty)
    }
}
