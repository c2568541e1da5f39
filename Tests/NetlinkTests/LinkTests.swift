// SPDX-License-Identifier: Apache-2.0

import Addressing
import Linux
import Support
import Testing

@testable import Netlink

/// Interfaces of the kernel.
@Suite(.ownNetworkNamespace) struct LinkTests {
    @Test func theLoopbackIsThere() throws {
        var kernel = try Kernel.open()
        let lo = try kernel.existing("lo")
        #expect(lo.index == 1)
        #expect(lo.isUp)
        #expect(lo.kind == "")
        #expect(lo.mtu == 65536)
        #expect(try kernel.link(index: 1)?.name == "lo")
    }

    @Test func whatIsMissingIsNothing() throws {
        var kernel = try Kernel.open()
        #expect(try kernel.link(named: "missing")?.name == nil)
        #expect(try kernel.link(index: 4711)?.name == nil)
    }

    @Test func aPairWithItsPeerInAnotherNamespaceIsOneMessage() throws {
        let container = try ContainerNamespace()
        var kernel = try Kernel.open()
        let bridge = try kernel.makeBridge()
        let macs = try ["02:00:0a:16:00:01", "02:00:0a:16:00:02"].map { try #require(MACAddress($0)) }
        let descriptor = container.namespace.rawValue
        try kernel.send { batch in
            let peer = VethPeer(name: "eth0", mac: macs[1], mtu: 1400, namespace: descriptor)
            batch.addLink(
                NewLink(name: "veth0", kind: .veth(peer: peer), mac: macs[0], mtu: 1450, master: bridge, isUp: true)
            )
        }
        let host = try kernel.existing("veth0")
        #expect(host.kind == "veth")
        #expect(host.mac == macs[0])
        #expect(host.mtu == 1450)
        #expect(host.master == bridge)
        #expect(host.isUp)
        #expect(host.port?.hairpin == false && host.port?.isolated == false)
        #expect(try kernel.link(named: "eth0")?.name == nil)
        var inside = try Kernel.open(in: container)
        let peer = try inside.existing("eth0")
        #expect(peer.mac == macs[1])
        #expect(peer.mtu == 1400)
        #expect(!peer.isUp)
        #expect(peer.peer == host.index)
        #expect(host.peer == peer.index)
    }

    @Test func linksAreListedByKindAndByBridge() throws {
        var kernel = try Kernel.open()
        let bridge = try kernel.makeBridge()
        _ = try kernel.makePair("a0", "b0", master: bridge)
        _ = try kernel.makePair("a1", "b1")
        #expect(try Set(kernel.links().map { $0.name }) == ["lo", "br0", "a0", "b0", "a1", "b1"])
        #expect(try Set(kernel.links(kind: "veth").map { $0.name }) == ["a0", "b0", "a1", "b1"])
        #expect(try kernel.links(kind: "bridge").map { $0.name } == ["br0"])
        #expect(try kernel.links(master: bridge).map { $0.name } == ["a0"])
        #expect(try kernel.links(kind: "bridge", master: bridge).isEmpty)
    }

    @Test func aChangeSetsOnlyWhatItNames() throws {
        var kernel = try Kernel.open()
        _ = try kernel.makePair("a0", "b0")
        let before = try kernel.existing("a0")
        var change = LinkChange()
        change.alias = "cni:lab/c1/eth0"
        try kernel.send { $0.setLink("a0", change) }
        let aliased = try kernel.existing("a0")
        #expect(aliased.alias == "cni:lab/c1/eth0")
        #expect(aliased.isUp && aliased.mtu == before.mtu && aliased.mac == before.mac)
        change = LinkChange()
        change.mac = MACAddress("02:00:00:00:00:09")
        change.mtu = 1300
        change.isPromiscuous = true
        change.receivesAllMulticast = true
        change.queueLength = 77
        change.isUp = false
        let all = change
        try kernel.send { $0.setLink("a0", all) }
        let changed = try kernel.existing("a0")
        #expect(changed.mac?.description == "02:00:00:00:00:09")
        #expect(changed.mtu == 1300)
        #expect(changed.promiscuity == 1 && changed.isPromiscuous)
        #expect(changed.receivesAllMulticast && !before.receivesAllMulticast)
        #expect(changed.queueLength == 77 && before.queueLength == 1000)
        #expect(!changed.isUp)
        #expect(changed.alias == "cni:lab/c1/eth0")
    }

    @Test func thePeerFollowsAMasterAndLeavesIt() throws {
        var kernel = try Kernel.open()
        let bridge = try kernel.makeBridge()
        _ = try kernel.makePair("a0", "b0")
        for master in [bridge, 0] {
            var change = LinkChange()
            change.master = master
            let present = change
            try kernel.send { $0.setLink("a0", present) }
            #expect(try kernel.existing("a0").master == (master == 0 ? nil : bridge))
        }
    }

    @Test(arguments: [true, false])
    func aLinkLocalAddressIsGeneratedOrNot(generates: Bool) async throws {
        var kernel = try Kernel.open()
        try kernel.send { batch in
            batch.addLink(NewLink(name: "a0", kind: .veth(peer: VethPeer(name: "b0"))))
            if !generates { batch.withholdLinkLocalAddress("a0") }
        }
        #expect(try Sysctl.read("net/ipv6/conf/a0/addr_gen_mode") == (generates ? "0" : "1"))
        var up = LinkChange()
        up.isUp = true
        let change = up
        try kernel.send { batch in ["a0", "b0"].forEach { batch.setLink($0, change) } }
        let index = try kernel.existing("a0").index
        try #require(try eventually { try kernel.existing("a0").isOperational })
        let isThere = { try kernel.addresses(of: index).contains { $0.scope == 253 } }
        #expect(try generates ? eventually(30, isThere) : !isThere())
    }

    @Test func anInterfaceTooSmallForIPv6IsSetUpAllTheSame() throws {
        var kernel = try Kernel.open()
        let mtu: UInt32 = 1279
        try kernel.send { batch in
            batch.addLink(NewLink(name: "a0", kind: .veth(peer: VethPeer(name: "b0", mtu: mtu)), mtu: mtu))
            batch.withholdLinkLocalAddress("a0")
            batch.setLink("a0", LinkChange.alias("told"))
        }
        #expect(try kernel.existing("a0").alias == "told")
    }

    @Test func anInterfaceAnnouncesItsAddressesIfItIsToDoSo() throws {
        var kernel = try Kernel.open()
        try kernel.send { $0.addLink(NewLink(name: "a0", kind: .veth(peer: VethPeer(name: "b0")))) }
        #expect(try Sysctl.read("net/ipv4/conf/a0/arp_notify") == "0")
        try kernel.send { $0.announceAddresses("a0") }
        #expect(try Sysctl.read("net/ipv4/conf/a0/arp_notify") == "1")
    }

    @Test(arguments: [true, false], [true, false])
    func portsHaveHairpinAndIsolation(hairpin: Bool, isolated: Bool) throws {
        var kernel = try Kernel.open()
        let bridge = try kernel.makeBridge()
        let index = try kernel.makePair("a0", "b0", master: bridge)
        try kernel.send { $0.setPort("a0", index: index, hairpin: hairpin, isolated: isolated) }
        let port = try #require(try kernel.existing("a0").port)
        #expect(port.hairpin == hairpin)
        #expect(port.isolated == isolated)
        try kernel.send { $0.setPort("a0", index: index, hairpin: !hairpin) }
        let changed = try #require(try kernel.existing("a0").port)
        #expect(changed.hairpin != hairpin)
        #expect(changed.isolated == isolated)
    }

    @Test func aPortOfABridgeBecomesOperational() throws {
        var kernel = try Kernel.open()
        _ = try kernel.makePair("a0", "b0", master: try kernel.makeBridge())
        #expect(
            try eventually {
                let port = try kernel.existing("a0")
                return port.isOperational && port.port?.isForwarding == true
            }
        )
    }

    @Test func deletingOneEndDeletesBoth() throws {
        var kernel = try Kernel.open()
        _ = try kernel.makePair("a0", "b0")
        try kernel.send { $0.deleteLink("b0") }
        #expect(try kernel.links(kind: "veth").isEmpty)
        #expect(kernel.refusal { $0.deleteLink("b0") }?.errno == .noSuchDevice)
    }
}

extension LinkChange {
    fileprivate static func alias(_ text: String) -> LinkChange {
        var change = LinkChange()
        change.alias = text
        return change
    }
}
