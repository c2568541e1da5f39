// SPDX-License-Identifier: Apache-2.0

import Addressing
import Linux
import Support
import Testing

@testable import Netlink

/// What the kernel refuses, how it says so, and what becomes of the rest of a batch.
@Suite(.ownNetworkNamespace) struct RefusalTests {
    private static func bridge(_ name: String, mtu: UInt32? = nil) -> NewLink {
        NewLink(name: name, kind: .bridge(filtersVLANs: false), mtu: mtu)
    }

    @Test func aNameThatIsTakenIsAnError() throws {
        var kernel = try Kernel.open()
        let error = try #require(kernel.refusal { $0.addLink(Self.bridge("lo")) })
        #expect(error.errno == .fileExists)
        #expect(error.operation == "create the interface lo")
        #expect(error.description.hasPrefix("cannot create the interface lo: EEXIST: File exists"))
    }

    @Test func aNameThatIsTooLongComesWithTheKernelsSentence() throws {
        var kernel = try Kernel.open()
        let error = try #require(kernel.refusal { $0.addLink(Self.bridge("sixteen-bytes-xx")) })
        #expect(error.kernelText == "Attribute failed policy validation")
        #expect(error.description.hasSuffix("(kernel: Attribute failed policy validation)"))
    }

    @Test func anMTUThatIsTooSmallComesWithTheKernelsSentence() throws {
        var kernel = try Kernel.open()
        _ = try kernel.makePair("a0", "b0")
        var change = LinkChange()
        change.mtu = 1
        let wrong = change
        let error = try #require(kernel.refusal { $0.setLink("a0", wrong) })
        #expect(error.errno == .invalidArgument)
        #expect(error.kernelText == "mtu less than device minimum")
    }

    @Test func aChangeOfWhatIsMissingIsAnError() throws {
        var kernel = try Kernel.open()
        #expect(kernel.refusal { $0.setLink("missing", LinkChange()) }?.errno == .noSuchDevice)
        #expect(kernel.refusal { $0.setPort("missing", index: 4711, hairpin: true) }?.errno == .noSuchDevice)
        let net = try prefix("10.0.0.1/24")
        #expect(kernel.refusal { $0.addAddress(net, to: 4711) }?.errno == .noSuchDevice)
    }

    @Test(arguments: 0..<3) func aMessageThatFailsDoesNotKeepTheOthers(position: Int) throws {
        var kernel = try Kernel.open()
        let error = kernel.refusal { batch in
            for index in 0..<3 { batch.addLink(Self.bridge(index == position ? "lo" : "br\(index)")) }
        }
        #expect(error?.operation == "create the interface lo")
        for index in 0..<3 { #expect((try kernel.link(named: "br\(index)") != nil) == (index != position)) }
        // The socket is as good as new.
        try kernel.send { $0.addLink(Self.bridge("later")) }
        #expect(try kernel.existing("later").name == "later")
    }

    @Test func ofSeveralRefusalsTheFirstIsReported() throws {
        var kernel = try Kernel.open()
        let error = kernel.refusal { batch in
            batch.addLink(Self.bridge("br0"))
            batch.deleteLink("missing1")
            batch.addLink(Self.bridge("lo"))
            batch.deleteLink("missing2")
        }
        #expect(error?.operation == "delete the interface missing1")
        #expect(error?.errno == .noSuchDevice)
    }

    @Test func anEmptyBatchIsNoWorkAndNoError() throws {
        var kernel = try Kernel.open()
        try kernel.send(MessageBatch())
    }

    @Test func whatDoesNotFitIsAnErrorAndNothingIsSent() throws {
        var kernel = try Kernel.open()
        let error = kernel.refusal { batch in
            for index in 0..<2000 where !batch.overflowed { batch.addLink(Self.bridge("br\(index)")) }
        }
        #expect(error?.errno == Errno(90))
        #expect(try kernel.links(kind: "bridge").isEmpty)
    }

    @Test func aBatchAsLargeAsTheyGetIsAcknowledgedToTheLast() throws {
        var kernel = try Kernel.open()
        let index = try kernel.makePair("a0", "b0")
        var count = 0
        try kernel.send { batch in
            while count < MessageBatch.limit {
                batch.addAddress(Self.address(count), to: index)
                count += 1
            }
        }
        #expect(try kernel.addresses(of: index).count { $0.prefix.address.family == .v4 } == count)
    }

    private static func address(_ number: Int) -> Prefix {
        Prefix(address: IPAddress(family: .v4, bits: 0x0A00_0001 + UInt128(number)), length: 32) ?? .defaultV4
    }

    @Test func twoSocketsDoNotDisturbEachOther() throws {
        var first = try Kernel.open()
        var second = try Kernel.open()
        _ = try first.makeBridge("br1")
        _ = try second.makeBridge("br2")
        #expect(try Set(first.links(kind: "bridge").map { $0.name }) == ["br1", "br2"])
        #expect(try Set(second.links(kind: "bridge").map { $0.name }) == ["br1", "br2"])
    }
}
