// SPDX-License-Identifier: Apache-2.0

import Addressing
import JSON
import Overlay
import Support
import Testing

/// What Flannel writes into a registry, and what it reads there.
@Suite("overlayd: formats")
struct FormatTests {
    private func pool(_ json: String) throws -> RegistryConfiguration {
        try RegistryConfiguration(Array(json.utf8), path: "config")
    }

    @Test func keysOfHosts() throws {
        let both = try #require(RegistryLease.subnets(key: "10.5.52.0-24&fc00:0:0:1::-64"))
        #expect(both.map { $0.description } == ["10.5.52.0/24", "fc00:0:0:1::/64"])
        #expect(RegistryLease.key(both) == "10.5.52.0-24&fc00:0:0:1::-64")
        for wrong in ["", "10.5.52.0", "10.5.52.0/24", "10.5.52.1-24", "10.5.52.0-24&", "10.5.52.0-33", "a-b"] {
            #expect(RegistryLease.subnets(key: wrong) == nil, "\(wrong)")
        }
    }

    @Test func valuesOfHosts() throws {
        let text =
            #"{"PublicIP":"192.168.64.3","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"c6:d2:32:6f:8f:44"}}"#
        let lease = try RegistryLease(key: "10.5.52.0-24", value: Array(text.utf8))
        #expect(lease.identifier == 1 && lease.vtepMAC?.description == "c6:d2:32:6f:8f:44")
        #expect(String(decoding: lease.value, as: UTF8.self) == text)
        for wrong in [
            "", "[]", "{}", #"{"PublicIP":"x"}"#, #"{"PublicIP":"0.0.0.0"}"#,
            #"{"PublicIP":"255.255.255.255"}"#, #"{"PublicIP":"10.0.0.1","BackendData":1}"#,
        ] {
            #expect(throws: ConfigError.self, "\(wrong)") {
                try RegistryLease(key: "10.5.52.0-24", value: Array(wrong.utf8))
            }
        }
    }

    @Test func valuesOfHostsWithBothVersions() throws {
        let text =
            #"{"PublicIP":"192.168.64.3","PublicIPv6":"fd99::3","BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"c6:d2:32:6f:8f:44"},"BackendV6Data":{"VNI":1,"VtepMAC":"c6:d2:32:6f:8f:44"}}"#
        var lease = try RegistryLease(key: "10.5.52.0-24&fc00:0:0:1::-64", value: Array(text.utf8))
        #expect(lease.publicIP.description == "192.168.64.3" && lease.identifier == 1)
        lease.publicIPv6 = IPAddress("fd99::3")
        #expect(String(decoding: lease.value, as: UTF8.self) == text)
        // Without the address Flannel's daemon must find nothing that needs it.
        lease.publicIPv6 = nil
        #expect(!String(decoding: lease.value, as: UTF8.self).contains("BackendV6Data"))
    }

    @Test(arguments: [
        (#"{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}"#, 255, "10.5.1.0/24", "10.5.255.0/24"),
        (#"{"Network":"10.5.0.0/23","Backend":{"Type":"vxlan"}}"#, 3, "10.5.0.128/25", "10.5.1.128/25"),
        (
            #"{"Network":"10.5.0.0/16","SubnetLen":20,"Backend":{"Type":"host-gw"}}"#, 15, "10.5.16.0/20",
            "10.5.240.0/20"
        ),
        (
            #"{"Network":"10.0.0.0/8","SubnetMin":"10.7.0.0","SubnetMax":"10.7.3.0","Backend":{"Type":"vxlan"}}"#, 4,
            "10.7.0.0/24", "10.7.3.0/24"
        ),
        (#"{"Network":"10.5.0.0/16","SubnetLen":0,"Backend":{"Type":"vxlan"}}"#, 255, "10.5.1.0/24", "10.5.255.0/24"),
        (#"{"Network":"10.5.0.0/28","Backend":{"Type":"vxlan"}}"#, 3, "10.5.0.4/30", "10.5.0.12/30"),
    ])
    func allSubnetsAreGivenOutAndNoOther(text: String, count: Int, first: String, last: String) throws {
        let network = try pool(text)
        var used: [Prefix] = []
        while let next = network.choose(besides: used, UInt64(used.count) &* 7919) {
            #expect(network.allows(next) && !used.contains { $0.overlaps(next[0]) })
            used += next
            if used.count > count { break }
        }
        let all = used.sorted { $0.network < $1.network }.map { $0.description }
        #expect(all.count == count && all.first == first && all.last == last, "\(all.count) \(all.first ?? "")")
    }

    @Test func whatStillFitsAndIsFreeIsKept() throws {
        let both =
            #"{"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fc00:5::/48","Backend":{"Type":"vxlan"}}"#
        let (single, dual) = (try pool(#"{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}"#), try pool(both))
        let had = try #require(RegistryLease.subnets(key: "10.5.52.0-24&fc00:5:0:1::-64"))
        #expect(single.choose(besides: [], keeping: had, 7) == [had[0]])
        #expect(dual.choose(besides: [], keeping: [had[0]], 7)?.first == had[0])
        #expect(dual.choose(besides: [], keeping: had, 7) == had)
        let other = try #require(dual.choose(besides: [had[0]], keeping: had, 7))
        #expect(other[0] != had[0] && other[1] == had[1] && dual.allows(other))
        let wide = try #require(RegistryLease.subnets(key: "10.5.52.0-22"))
        #expect(single.choose(besides: [], keeping: wide, 7).map { single.allows($0) } == true)
    }

    @Test func whatIsWrongIsNamed() {
        for (text, word) in [
            ("{", "line 1"), ("{}", "Network is missing"), (#"{"Network":"fd00::/64"}"#, "Network"),
            (#"{"Network":"10.5.0.0"}"#, #"Network: "10.5.0.0" lacks its length, such as 10.5.0.0/16"#),
            (#"{"Network":"10.5.0"}"#, "is not a network"),
            (#"{"Network":"10.5.0.0/16"}"#, "udp"),
            (#"{"Network":"10.5.0.0/16","SubnetLen":8,"Backend":{"Type":"vxlan"}}"#, "SubnetLen"),
            (#"{"Network":"10.5.0.0/16","SubnetLen":31,"Backend":{"Type":"vxlan"}}"#, "SubnetLen"),
            (#"{"Network":"10.5.0.0/29","Backend":{"Type":"vxlan"}}"#, "no room for hosts; /28"),
            (#"{"Network":"10.5.0.0/30","Backend":{"Type":"vxlan"}}"#, "no room for hosts; /28"),
            (#"{"Network":"10.5.0.0/32","SubnetLen":32,"Backend":{"Type":"vxlan"}}"#, "no room for hosts"),
            (
                #"{"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00::/126","Backend":{"Type":"vxlan"}}"#,
                "IPv6Network: fd00::/126 has no room for hosts; /124"
            ),
            (#"{"Network":"10.5.0.0/16","Backend":{"Type":"host-gw","MTU":60}}"#, "MTU: must be at least 68"),
            (#"{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","MTU":117}}"#, "MTU: must be at least 118"),
            (
                #"{"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00::/48","Backend":{"Type":"vxlan","MTU":1329}}"#,
                "MTU: must be at least 1330"
            ),
            (
                #"{"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00::/48","Backend":{"Type":"host-gw"}}"#,
                "EnableIPv6: host-gw leads over"
            ),
            (#"{"Network":"10.5.0.0/16","SubnetMin":"10.6.0.0","Backend":{"Type":"vxlan"}}"#, "SubnetMin"),
            (#"{"Network":"10.5.0.0/16","Backend":{"Type":"wireguard"}}"#, "wireguard"),
            (#"{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","VNI":0}}"#, "VNI"),
        ] {
            var problem = ""
            do throws(ConfigError) { _ = try RegistryConfiguration(Array(text.utf8), path: "config") } catch {
                problem = error.description
            }
            #expect(problem.contains(word), "\(text): \(problem)")
        }
    }
}
