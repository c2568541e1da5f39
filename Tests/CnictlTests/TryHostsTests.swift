// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// The rehearsal of networks on several private hosts.
@Suite(
    .enabled(if: PrivateHost.isRoot, "needs root, for namespaces"),
    .enabled(if: PrivateHost.has("vxlan", "host-local", "overlayd"), "needs our own plugins, which are not built"),
    .usesNeighbourTable,
    .serialized
)
struct TryHostsTests {
    private let folder: TemporaryFolder

    /// Makes a folder for this test.
    init() throws { folder = try TemporaryFolder() }

    private static let hasEtcd = Programs.path("etcd") != nil && Programs.path("etcdctl") != nil

    /// Writes a network with one plugin and returns its path.
    private func network(_ keys: String, ipam: String = #"{"type":"host-local"}"#) throws -> String {
        try folder.write(
            #"{"cniVersion":"1.1.0","name":"lab","plugins":[{"type":"vxlan",\#(keys),"ipam":\#(ipam)}]}"#,
            to: "lab.conflist"
        )
        return "\(folder.path)/lab.conflist"
    }

    /// Expects that all containers reached each other in each family.
    private func expectContainersTalk(
        _ trial: HostsTrial,
        _ addresses: [[String]],
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(trial.outcome.code == 0, "\(trial.text)", sourceLocation: sourceLocation)
        for from in addresses.indices {
            for to in addresses.indices where to != from {
                for address in addresses[to] {
                    let way = "container\(from + 1) to \(address)"
                    #expect(trial.answered.contains(way), "\(way): \(trial.text)", sourceLocation: sourceLocation)
                }
            }
        }
    }

    @Test func theListedHostsReachEachOther() throws {
        let trial = try HostsTrial(HostsTrial.installed("20-vxlan-static"))
        expectContainersTalk(trial, (1...3).map { ["10.5.\($0).2", "fd00:10:5:\($0)::2"] })
        for way in ["host1 to 10.5.3.2", "host3 to fd00:10:5:2::2", "container2 to 10.5.1.1"] {
            #expect(trial.answered.contains(way), "\(trial.text)")
        }
        #expect(trial.answered.count == 36)
        #expect(trial.hosts.map { $0["addresses"] as? [String] } == (1...3).map { ["192.168.9.\($0)/24"] })
        #expect(trial.steps["packets of 1450 bytes"] == "ok")
        for number in 1...3 {
            for step in ["CHECK container\(number)", "DEL container\(number)"] { #expect(trial.steps[step] == "ok") }
        }
        #expect(trial.list("leftovers") == [])
        #expect(Set(trial.list("shared")) == ["bridge cni-vx1", "vxlan vxlan.1"])
    }

    @Test func thePageForPeopleNamesHostsAndWays() throws {
        let trial = try HostsTrial(HostsTrial.installed("20-vxlan-static"), hosts: 2, [])
        #expect(trial.outcome.code == 0)
        for text in [
            "eth0 has 192.168.9.1, 192.168.9.2\n", "host2  192.168.9.2  10.5.2.0/24, fd00:10:5:2::/64",
            "✓ container2 → container1", "everything worked, nothing is left behind",
        ] {
            #expect(trial.text.contains(text), "\(text): \(trial.text)")
        }
    }

    @Test(arguments: [
        // Hosts behind routers are put on one link, whose interface has the name that the file asks for.
        (["10.1.0.5", "10.2.0.5", "10.9.0.255"], #""directRouting":true,"master":"ens3""#, "10.1.0.5/12", 1450),
        (["fd99::1", "fd99::2", "fd99::ff"], #""teardown":"auto""#, "fd99::1/64", 1430),
        (["192.0.2.1", "192.0.2.2", "192.0.2.3"], #""mode":"bridged","isDefaultGateway":true"#, "192.0.2.1/24", 1450),
    ])
    func theHostsAreThoseOfTheFile(_ hosts: [String], _ keys: String, _ first: String, _ mtu: Int) throws {
        let peers = hosts.enumerated().map { #"{"publicIP":"\#($1)","subnet":"10.5.\#($0 + 1).0/24"}"# }
        let text = #""network":"10.5.0.0/16","peers":[\#(peers.joined(separator: ","))],\#(keys)"#
        let trial = try HostsTrial(network(text))
        expectContainersTalk(trial, (1...3).map { ["10.5.\($0).2"] })
        #expect(trial.answered.contains("host1 to 10.5.3.2") && trial.answered.contains("container3 to 10.5.1.1"))
        #expect((trial.hosts.first?["addresses"] as? [String]) == [first])
        #expect(trial.steps["packets of \(mtu) bytes"] == "ok")
        #expect(trial.list("leftovers") == [])
    }

    @Test(arguments: [
        ("239.1.1.1", #""master":"eth0""#, (1...3).map { ["10.6.\($0).2", "fd06::\($0):0:0:2"] }),
        (
            "ff05::100", #""local":"fd09::7","subnet":"10.6.7.0/24,fd06:0:0:0:7::/80""#,
            (7...9).map { ["10.6.\($0).2", "fd06::\($0):0:0:2"] }
        ),
    ])
    func hostsFindEachOtherByAGroup(_ group: String, _ place: String, _ addresses: [[String]]) throws {
        let keys = #""mode":"bridged","vni":42,"network":"10.6.0.0/16,fd06::/64","group":"\#(group)",\#(place)"#
        let trial = try HostsTrial(network(keys))
        expectContainersTalk(trial, addresses)
        #expect(trial.steps["from and to the hosts themselves"] == "skipped")
    }

    @Test(.enabled(if: hasEtcd, "needs etcd-server and etcd-client"), arguments: [2, 3])
    func hostsFindEachOtherInEtcd(_ count: Int) throws {
        // With two hosts, the third member is beside them.
        let trial = try HostsTrial(HostsTrial.installed("21-vxlan-etcd"), hosts: count)
        let containers = trial.hosts.compactMap { ($0["leases"] as? [[String: String]])?.first?["address"] }
        #expect(containers.count == count && containers.allSatisfy { $0.hasPrefix("10.5.") }, "\(trial.text)")
        expectContainersTalk(trial, containers.map { [$0] })
        #expect(trial.steps["give the subnets back, end overlayd"] == "ok")
        // The tunnel goes with the subnet.
        #expect(Set(trial.list("shared")) == ["bridge cni-vx1"])
        #expect(trial.list("leftovers") == [])
    }

    @Test(.enabled(if: hasEtcd, "needs etcd-server and etcd-client"))
    func theNetworkInEtcdCanBeChosen() throws {
        let registry =
            #""master":"eth0","registry":{"type":"etcd","endpoints":["http://[fd09::5]:4001"],"prefix":"/lab/"}"#
        let trial = try HostsTrial(network(registry), hosts: 2, ["--network", "10.7.0.0/16,fd07::/48", "--json"])
        #expect(trial.outcome.code == 0, "\(trial.text)")
        let leases = trial.hosts.flatMap { ($0["leases"] as? [[String: String]] ?? []).compactMap { $0["address"] } }
        #expect(
            leases.filter { $0.hasPrefix("10.7.") }.count == 2 && leases.filter { $0.hasPrefix("fd07:") }.count == 2
        )
        #expect(trial.text.contains("/lab/config is"))
        #expect(trial.hosts.map { $0["addresses"] as? [String] } == [["fd09::5/64"], ["fd09::1/64"]])
    }

    @Test(.enabled(if: Programs.exists("/usr/lib/frr/bgpd"), "needs Debian's frr"))
    func hostsLearnOfEachOtherByBGP() throws {
        let peers = (1...3).map {
            #"{"publicIP":"192.168.9.\#($0)","subnet":"10.6.\#($0).0/24,fd06:0:0:0:\#($0)::/80"}"#
        }
        let keys = #""mode":"bridged","controlPlane":"external","vni":42,"network":"10.6.0.0/16,fd06::/64""#
        let trial = try HostsTrial(network(#"\#(keys),"peers":[\#(peers.joined(separator: ","))]"#))
        expectContainersTalk(trial, (1...3).map { ["10.6.\($0).2", "fd06::\($0):0:0:2"] })
        #expect(trial.steps["FRR tells the hosts of each other"] == "ok")
        #expect(trial.list("leftovers") == [])
    }

    @Test func oneHostIsTheRehearsalOfOneHost() throws {
        let trial = try HostsTrial(HostsTrial.installed("10-bridge"), hosts: 1)
        #expect(trial.outcome.code == 0, "\(trial.text)")
        #expect(trial.steps["ADD try2"] == "ok" && trial.steps["published port 8080 (outside → try1)"] == "ok")
    }

    @Test(arguments: [
        ("10-bridge", 3, "", "", ["do not reach each other by the network", "add vxlan"]),
        ("20-vxlan-static", 4, "", "", ["plugins[0]: peers: 3 hosts are listed, and --hosts asks for 4", "at most 3"]),
        ("20-vxlan-static", 2, #""network""#, #""local":"192.168.9.1","network""#, ["plugins[0].local: is one host's"]),
        (
            "20-vxlan-static", 2, #""network""#, #""controlPlane":"external","network""#,
            ["controlPlane", "where mode is bridged"]
        ),
        (
            "20-vxlan-static", 2, #""network""#, #""peersDir":"/run/hosts","network""#,
            ["peersDir: /run/hosts", "peers"]
        ),
        (
            "20-vxlan-static", 2, "192.168.9.2", "192.168.9.1",
            ["peers[1]: publicIP: 192.168.9.1 is the address of another"]
        ),
        ("20-vxlan-static", 2, "192.168.9.2", "10.0.0.2", ["plugins[0]: peers: no network holds the addresses"]),
        (
            "20-vxlan-static", 2, #""host-local""#, #""host-local","ranges":[[{"subnet":"10.5.1.0/24"}]]"#,
            ["plugins[0].ipam: ranges: every host would give out the same addresses"]
        ),
        ("21-vxlan-etcd", 3, "http:", "https:", ["endpoints[0]: \"https://192.168.9.1:2379\"", "no certificates"]),
        ("21-vxlan-etcd", 3, #""etcd","#, #""etcd","username":"u","#, ["registry: username", "try a copy without it"]),
        ("21-vxlan-etcd", 3, #""etcd","#, #""etcd","caFile":"/ca.pem","#, ["registry: caFile"]),
        ("21-vxlan-etcd", 3, "192.168.9.1", "etcd1", ["\"http://etcd1:2379\": private hosts have no names"]),
        ("21-vxlan-etcd", 3, "192.168.9.1", "127.0.0.1", ["share no loopback"]),
        ("21-vxlan-etcd", 3, #""endpoints""#, #""members""#, ["registry: endpoints is missing"]),
        ("21-vxlan-etcd", 3, #""etcd","#, #""consul","#, ["registry: type must be \"etcd\""]),
    ])
    func whatCannotBeRehearsedIsRefused(
        _ name: String,
        _ hosts: Int,
        _ old: String,
        _ new: String,
        _ texts: [String]
    ) throws {
        var text = try String(contentsOfFile: HostsTrial.installed(name), encoding: .utf8)
        if !old.isEmpty { text = text.replacingOccurrences(of: old, with: new) }
        try folder.write(text, to: "lab.conflist")
        let trial = try HostsTrial("\(folder.path)/lab.conflist", hosts: hosts, [])
        #expect(trial.outcome.code == 1)
        #expect(trial.outcome.output == "")
        for text in texts { #expect(trial.outcome.error.contains(text), "\(text): \(trial.text)") }
    }

    @Test func missingServersAreNamedWithTheirPackages() throws {
        let trial = try HostsTrial(HostsTrial.installed("21-vxlan-etcd"), [], environment: ["PATH": folder.path])
        #expect(trial.outcome.code == 1)
        #expect(trial.outcome.error.contains("apt-get install etcd-server"), "\(trial.text)")
        try folder.write("#!/bin/sh\n", to: "vxlan", executable: true)
        let other = try HostsTrial(HostsTrial.installed("21-vxlan-etcd"), [], plugins: folder.path)
        #expect(other.outcome.error.contains("failed to find overlayd in path \(folder.path)"), "\(other.text)")
    }
}
