// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// What the plugin reads, and what it refuses before it has changed anything.
@Suite("Configuration", .ownNetworkNamespace)
struct ConfigurationTests {
    @Test(arguments: Backend.allCases) func keysAndProtocolsMatchInAnyCase(backend: Backend) throws {
        let text = #"{"HostPort":8080,"ContainerPort":80,"Protocol":"UDP","HostIP":"192.0.2.1"}"#
        let capital = Publication(backend, [Mapping(text: text)])
        try capital.call("ADD")
        let found = try Rules()
        try capital.call("DEL")
        let plain = Publication(backend, [Mapping(8080, 80, "udp", on: "192.0.2.1")])
        try plain.call("ADD")
        #expect(try Rules() == found)
        #expect(found.contains("udp"))
        #expect(found.contains("192.0.2.1"))
        try plain.with { $0.mappings = [Mapping(8080, 80, "udp", on: "192.0.2.1"), Mapping(8080, 80, "Sctp")] }.call(
            "ADD"
        )
        #expect(try Rules().contains("sctp"))
    }

    @Test(
        arguments: Backend.allCases,
        [#"{"hostPort":8080,"containerPort":80}"#, #"{"hostPort":8080,"containerPort":80,"protocol":"","hostIP":""}"#]
    )
    func withoutAProtocolItIsTCP(backend: Backend, text: String) throws {
        try Publication(backend, [Mapping(text: text)]).call("ADD")
        let found = try Rules()
        #expect(found.contains("tcp"))
        #expect(!found.contains("udp"))
    }

    private static let wrong: [(text: String, path: String)] = [
        (#"{"hostPort":0,"containerPort":80}"#, "hostPort"),
        (#"{"hostPort":65536,"containerPort":80}"#, "hostPort"),
        (#"{"hostPort":-1,"containerPort":80}"#, "hostPort"),
        (#"{"hostPort":"8080","containerPort":80}"#, "hostPort"),
        (#"{"hostPort":8080.5,"containerPort":80}"#, "hostPort"),
        (#"{"hostPort":8080,"containerPort":0}"#, "containerPort"),
        (#"{"hostPort":8080,"containerPort":65536}"#, "containerPort"),
        (#"{"hostPort":8080,"containerPort":99999999999999999999}"#, "containerPort"),
        (#"{"hostPort":8080,"containerPort":80,"protocol":"icmp"}"#, "protocol"),
        (#"{"hostPort":8080,"containerPort":80,"protocol":6}"#, "protocol"),
        (#"{"hostPort":8080,"containerPort":80,"hostIP":"nonsense"}"#, "hostIP"),
        (#"{"hostPort":8080,"containerPort":80,"hostIP":"192.0.2.1/24"}"#, "hostIP"),
        (#"{"hostPort":8080,"containerPort":80,"hostIP":"192.0.2.1 accept"}"#, "hostIP"),
    ]

    @Test(arguments: wrong.indices, [0, 1]) func whatIsWrongIsNamedAndNothingIsChanged(index: Int, position: Int) throws
    {
        let (text, key) = Self.wrong[index]
        for backend in Backend.allCases {
            let mappings = [Mapping(7000, 70), Mapping(text: text)]
            let publication = Publication(backend, position == 0 ? mappings.reversed() : mappings)
            let failure = try publication.failure("ADD")
            #expect(failure.code == 7, "\(failure)")
            #expect(failure.text.contains("runtimeConfig.portMappings[\(position)].\(key)"), "\(failure)")
            #expect(try Rules().isEmpty)
            // Nobody's mistake keeps a DEL from its work.
            try publication.call("DEL")
        }
    }

    @Test(arguments: ["hostPort", "containerPort"]) func aPortThatIsMissingIsNamed(key: String) throws {
        let text = key == "hostPort" ? #"{"containerPort":80}"# : #"{"hostPort":80}"#
        let failure = try Publication(.nftables, [Mapping(text: text)]).failure("ADD")
        #expect(failure.code == 7)
        #expect(failure.text.contains("runtimeConfig.portMappings[0]"), "\(failure)")
        #expect(failure.text.contains(key), "\(failure)")
        #expect(try Rules().isEmpty)
    }

    @Test(arguments: [
        #","backend":"ebtables""#, #","markMasqBit":32"#, #","markMasqBit":-1"#,
        #","markMasqBit":5,"externalSetMarkChain":"MARKS""#, #","backend":"iptables","conditionsV4":["ip","saddr"]"#,
        #","backend":"nftables","conditionsV4":["-s","192.0.2.2"]"#,
        #","backend":"nftables","externalSetMarkChain":"MARKS""#, #","snat":"yes""#, #","conditionsV6":"ip6""#,
    ])
    func optionsThatMakeNoSenseAreRefused(members: String) throws {
        let failure = try Publication(nil, [Mapping(8080, 80)]).with { $0.more = members }.failure("ADD")
        #expect(failure.code == 7, "\(failure)")
        #expect(try Rules().isEmpty)
    }

    @Test func onePortThatLeadsToTwoIsRefused() throws {
        let failure = try Publication(.nftables, [Mapping(8080, 80), Mapping(8080, 81)]).failure("ADD")
        #expect(failure.code == 7, "\(failure)")
        #expect(failure.text.contains("8080"))
        #expect(try Rules().isEmpty)
        // The same mapping twice is one.
        try Publication(.nftables, [Mapping(8080, 80), Mapping(8080, 80)]).call("ADD")
    }

    @Test(arguments: Backend.allCases, [true, false])
    func withoutMappingsThePreviousResultIsPassedOn(backend: Backend, isListed: Bool) throws {
        let previous = """
            {"cniVersion":"1.1.0","interfaces":[{"name":"eth0","mac":"02:00:00:00:00:02","sandbox":"/var/run/netns/none"}],\
            "ips":[{"address":"10.88.0.2/24","gateway":"10.88.0.1","interface":0}],"routes":[{"dst":"0.0.0.0/0"}],\
            "dns":{"nameservers":["10.88.0.1"]}}
            """
        let publication = Publication(backend, isListed ? [] : nil).with { $0.previous = previous }
        // A host on which nothing could be done.
        let process = publication.with { $0.environment["PATH"] = "/nowhere" }.process("ADD")
        let outcome = try process.run()
        #expect(outcome.exitCode == 0)
        let printed = try JSONSerialization.jsonObject(with: Data(outcome.stdout)) as? NSDictionary
        let given = try JSONSerialization.jsonObject(with: Data(previous.utf8)) as? NSDictionary
        #expect(printed == given, "\(outcome.stdoutText)")
        #expect(try Rules().isEmpty)
        try publication.call("CHECK")
        try publication.call("DEL")
    }

    @Test(arguments: ["ADD", "CHECK"]) func itMustBeChained(command: String) throws {
        let publication = Publication(.nftables, [Mapping(8080, 80)]).with { $0.addresses = nil }
        let failure = try publication.failure(command)
        #expect(failure.code == 7, "\(failure)")
        #expect(failure.text.contains("prevResult"), "\(failure)")
        #expect(try Rules().isEmpty)
    }

    @Test(arguments: ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]) func everyVersionPublishes(version: String) throws {
        let publication = Publication(nil, [Mapping(8080, 80)]).with { publication in
            publication.version = version
            if version.hasPrefix("0.3") || version == "0.4.0" {
                publication.previous = """
                    {"cniVersion":"\(version)","interfaces":[{"name":"eth0","sandbox":"/var/run/netns/none"}],\
                    "ips":[{"version":"4","address":"10.88.0.2/24","interface":0}],"dns":{}}
                    """
            }
        }
        let result = try publication.call("ADD")
        #expect(result.contains("10.88.0.2/24"))
        #expect(try Rules().contains("swift_cni_portmap"))
        try publication.call("DEL")
        #expect(try Rules().isEmpty)
    }
}
