// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// What the reference's portmap has left, for a host that changes over with containers running.
@Suite(
    "Leftovers of the reference",
    .ownNetworkNamespace,
    .enabled(if: Programs.exists("/usr/lib/cni/portmap"), "needs Debian's containernetworking-plugins")
)
struct ReferenceTests {
    private static func publication(_ number: Int, _ backend: Backend? = nil) -> Publication {
        Publication(backend, [Mapping(8000 + number, 80, "tcp"), Mapping(8000 + number, 80, "udp")]).with {
            ($0.id, $0.version) = ("c\(number)", "1.0.0")
            $0.addresses = ["10.88.0.\(number + 1)/24", "fd88::\(number + 1)/64"]
        }
    }

    /// The same with the reference as the plugin.
    private static func reference(_ number: Int) -> Publication {
        publication(number).with { $0.directory = "/usr/lib/cni" }
    }

    @Test(arguments: [nil, Backend.nftables, .iptables], [true, false])
    func aDeleteRemovesThem(backend: Backend?, knowsAll: Bool) throws {
        for number in [1, 2] { try Self.reference(number).call("ADD") }
        let other = try Rules().iptables.filter { $0.contains("8002") }
        #expect(try Rules().contains("8001"))
        #expect(!other.isEmpty)
        let publication = Self.publication(1, backend).with { publication in
            if !knowsAll { (publication.addresses, publication.netns, publication.mappings) = (nil, "", nil) }
        }
        try publication.call("DEL")
        #expect(try !Rules().contains("8001"))
        #expect(try Rules().iptables.filter { $0.contains("8002") } == other)
        try Self.publication(2, backend).call("DEL")
        let rest = try Rules()
        #expect(rest.isEmpty, "\(rest)")
    }

    @Test func aCollectionRemovesThem() throws {
        for number in 1...3 { try Self.reference(number).call("ADD") }
        let valid = #","cni.dev/valid-attachments":[{"containerID":"c2","ifname":"eth0"}]"#
        try Publication(nil, nil).with { ($0.addresses, $0.more) = (nil, valid) }.call("GC")
        let rules = try Rules()
        #expect(!rules.contains("8001") && !rules.contains("8003"))
        #expect(rules.contains("8002"))
    }

    @Test func theReferenceRemovesWhatWeMade() throws {
        for number in [1, 2] { try Self.publication(number, .iptables).call("ADD") }
        try Self.reference(1).call("DEL")
        #expect(try !Rules().contains("8001"))
        #expect(try Rules().contains("8002"))
        try Self.reference(2).call("DEL")
        #expect(try !Rules().contains("8002"))
    }

    @Test func bothServeSideBySide() throws {
        try Self.reference(1).call("ADD")
        try Self.publication(2, .iptables).call("ADD")
        try Self.publication(2, .iptables).call("CHECK")
        #expect(
            try Self.publication(3, .iptables).with { $0.mappings = [Mapping(8001, 80)] }.failure("ADD").code == 108
        )
        try Self.reference(1).call("DEL")
        try Self.publication(2, .iptables).call("CHECK")
        try Self.publication(2, .iptables).call("DEL")
        let rest = try Rules()
        #expect(rest.isEmpty, "\(rest)")
    }
}
