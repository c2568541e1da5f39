// SPDX-License-Identifier: Apache-2.0

import Addressing
import Linux
import Support
import Testing

@testable import Netlink

/// Addresses and neighbours of the kernel.
@Suite(.ownNetworkNamespace) struct AddressTests {
    @Test(arguments: ["10.22.0.7/16", "10.22.0.7/24", "10.22.0.7/31", "10.22.0.7/32", "fd22::7/64", "fd22::7/128"])
    func anAddressIsReadAsItWasAddedUntilItIsDeleted(text: String) throws {
        var kernel = try Kernel.open()
        let index = try kernel.makePair("a0", "b0")
        let own = try prefix(text)
        try kernel.send { $0.addAddress(own, to: index) }
        let added = try kernel.addresses(of: index).filter { $0.prefix == own }
        #expect(added.count == 1)
        #expect(added.first?.interface == index)
        #expect(added.first?.scope == 0)
        #expect(kernel.refusal { $0.addAddress(own, to: index) }?.errno == .fileExists)
        try kernel.send { $0.deleteAddress(own, from: index) }
        #expect(try kernel.addresses(of: index).allSatisfy { $0.prefix != own })
        #expect(kernel.refusal { $0.deleteAddress(own, from: index) }?.errno == .addressNotAvailable)
    }

    @Test func anAddressIsUsableAtOnceUnlessDuplicatesAreSought() throws {
        var kernel = try Kernel.open()
        let index = try kernel.makePair("a0", "b0")
        // So often that no stall of the machine is longer.
        try Sysctl.write("net/ipv6/conf/a0/dad_transmits", "100")
        let (fast, slow) = (try prefix("fd22::7/64"), try prefix("fd22::8/64"))
        try kernel.send {
            $0.addAddress(fast, to: index)
            $0.addAddress(slow, to: index, detectsDuplicates: true)
        }
        let addresses = try kernel.addresses(of: index)
        #expect(addresses.first { $0.prefix == fast }?.isTentative == false)
        #expect(addresses.first { $0.prefix == slow }?.isTentative == true)
        #expect(addresses.allSatisfy { !$0.hasFailed })
    }

    @Test func theGroupOfAnAddressIsThereWhileTheAddressIs() throws {
        var kernel = try Kernel.open()
        let index = try kernel.makePair("a0", "b0")
        let own = try prefix("fd22::12:3456/64")
        let group = try #require(IPAddress("ff02::1:ff12:3456"))
        #expect(try !kernel.groups(of: index).contains(group))
        try kernel.send { $0.addAddress(own, to: index) }
        #expect(try eventually { try kernel.groups(of: index).contains(group) })
        #expect(try kernel.groups(of: 1).contains(group) == false, "it is another interface's")
        try kernel.send { $0.deleteAddress(own, from: index) }
        #expect(try !kernel.groups(of: index).contains(group))
    }

    @Test(arguments: [("10.22.0.7/16", "10.22.255.255"), ("10.22.0.7/30", "10.22.0.7")])
    func networksOfIPv4HaveTheirBroadcastAddress(text: String, broadcast: String) throws {
        var kernel = try Kernel.open()
        let index = try kernel.makePair("a0", "b0")
        let own = try prefix(text)
        try kernel.send { $0.addAddress(own, to: index) }
        #expect(
            try Programs.run("ip", "-4", "addr", "show", "a0").contains("inet \(text) brd \(broadcast) scope global a0")
        )
    }

    @Test func onlyTheAddressesOfTheInterfaceAreListed() throws {
        var kernel = try Kernel.open()
        let index = try kernel.makePair("a0", "b0")
        let loopback = try prefix("127.0.0.1/8")
        #expect(try kernel.addresses(of: index).allSatisfy { $0.interface == index })
        #expect(try kernel.addresses(of: 1).contains { $0.prefix == loopback })
    }

    @Test(arguments: ["10.22.0.1", "fd22::1"])
    func aNeighbourIsSetReplacedAndDeleted(text: String) throws {
        var kernel = try Kernel.open()
        let index = try kernel.makePair("a0", "b0")
        let address = try address(text)
        for mac in ["02:00:00:00:00:01", "02:00:00:00:00:02"] {
            let entry = Neighbour(address, mac: try #require(MACAddress(mac)), interface: index)
            try kernel.send { $0.replaceNeighbour(entry) }
            #expect(try kernel.neighbours(of: index).filter { $0.address == address } == [entry])
            #expect(try Programs.run("ip", "neigh", "show", text, "dev", "a0") == "\(text) lladdr \(mac) PERMANENT \n")
        }
        let entry = try #require(try kernel.neighbours(of: index).first { $0.address == address })
        try kernel.send { $0.deleteNeighbour(entry) }
        #expect(try kernel.neighbours(of: index).allSatisfy { $0.address != address })
        #expect(kernel.refusal { $0.deleteNeighbour(entry) } != nil)
    }
}
