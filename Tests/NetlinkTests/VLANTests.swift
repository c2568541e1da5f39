// SPDX-License-Identifier: Apache-2.0

import Addressing
import Linux
import Support
import Testing

@testable import Netlink

/// VLANs of a bridge, where the kernel was built with them.
@Suite(.ownNetworkNamespace) struct VLANTests {
    /// Makes a bridge that filters, or ends the test with the reason why it cannot be.
    private static func makeBridge(_ kernel: inout Kernel) throws -> UInt32 {
        do {
            try kernel.send { $0.addLink(NewLink(name: "br0", kind: .bridge(filtersVLANs: true), isUp: true)) }
        } catch {
            guard error.errno == .notSupported else { throw error }
            try Test.cancel("this kernel has no CONFIG_BRIDGE_VLAN_FILTERING: \(error.description)")
        }
        return try kernel.existing("br0").index
    }

    @Test func aBridgeFiltersFromItsFirstMoment() throws {
        var kernel = try Kernel.open()
        _ = try Self.makeBridge(&kernel)
        #expect(try kernel.existing("br0").filtersVLANs)
        #expect(try Programs.run("ip", "-d", "link", "show", "br0").contains("vlan_filtering 1"))
    }

    @Test func portsGetTheirVLANsAndLoseThem() throws {
        var kernel = try Kernel.open()
        let port = try kernel.makePair("a0", "b0", master: try Self.makeBridge(&kernel))
        try kernel.send {
            $0.addVLANs(100...100, to: "a0", index: port, isUntagged: true)
            $0.addVLANs(200...210, to: "a0", index: port, isUntagged: false)
            $0.removeVLANs(1...1, from: "a0", index: port)
        }
        let shown = try Programs.run("bridge", "-c=never", "vlan", "show", "dev", "a0")
        #expect(shown.contains("100 PVID Egress Untagged"))
        for vlan in 200...210 { #expect(shown.contains("\(vlan)")) }
        #expect(!shown.contains(" 1 "))
        try kernel.send { $0.removeVLANs(200...210, from: "a0", index: port) }
        #expect(try !Programs.run("bridge", "-c=never", "vlan", "show", "dev", "a0").contains("205"))
    }

    @Test func aBridgeWithoutFilteringSaysSo() throws {
        var kernel = try Kernel.open()
        _ = try kernel.makeBridge("plain0")
        #expect(try !kernel.existing("plain0").filtersVLANs)
    }
}
