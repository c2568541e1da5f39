// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import CNI

/// Names that follow from network, container and interface.
@Suite struct AttachmentTests {
    private static let parts = [
        ("net", "c1", "eth0"), ("ne", "tc1", "eth0"), ("net", "c1e", "th0"), ("netc", "1", "eth0"),
        ("c1", "net", "eth0"),
        ("net", "c1", "eth1"), ("net", "c1.eth0", "x"), ("net", "c1", "eth0.x"), ("NET", "c1", "eth0"),
    ].map { Attachment(network: $0.0, containerID: $0.1, interface: $0.2) }

    private static func long(_ last: String, network: String = "net") -> Attachment {
        Attachment(
            network: network,
            containerID: String(repeating: "a", count: 299) + last,
            interface: "fifteen-bytes-x"
        )
    }

    @Test func theHashIsThatOfThePartsWithZeroesBetween() {
        let attachment = Attachment(network: "net", containerID: "c1", interface: "eth0")
        #expect(attachment.hash == SHA512.hexadecimal(of: Array("net\0c1\0eth0".utf8)))
        #expect(attachment.hash.count == 128)
    }

    @Test func partsThatConcatenateAlikeGiveOtherNames() {
        #expect(Set(Self.parts.map { $0.hash }).count == Self.parts.count)
        #expect(Set(Self.parts.map { $0.hostInterface }).count == Self.parts.count)
        #expect(Set(Self.parts.map { $0.alias }).count == Self.parts.count)
    }

    @Test(arguments: parts + [long("1")])
    func hostInterfaceNamesFitTheKernel(attachment: Attachment) throws {
        #expect(attachment.hostInterface.utf8.count == 15)
        #expect(attachment.hostInterface.hasPrefix("veth"))
        try Names.validateInterface(attachment.hostInterface)
        #expect(attachment.hostInterface == "veth" + attachment.hash.prefix(11))
    }

    @Test func namesNeverChangeBetweenVersionsOfTheSuite() {
        // What an older release left must be found by a newer one.
        let attachment = Attachment(network: "lab", containerID: "c1", interface: "eth0")
        #expect(attachment.hostInterface == "vethff69c0d738c")
        #expect(attachment.alias == "cni:lab/c1/eth0")
    }

    @Test(arguments: [1, 128, 129, 300])
    func aliasesFitTheKernelHoweverLongTheParts(length: Int) {
        let network = String(repeating: "n", count: length)
        let aliases = ["1", "2"].map { Self.long($0, network: network).alias }
        #expect(aliases.allSatisfy { $0.utf8.count <= 255 })
        #expect(aliases.allSatisfy { $0.hasPrefix(Attachment.aliasPrefix(network: network)) })
        #expect(aliases.allSatisfy { $0.hasSuffix("/fifteen-bytes-x") })
        #expect(aliases.first != aliases.last)
    }

    @Test func aPrefixIsThatOfOneNetworkOnly() {
        let names = ["a", "ab", "a.b", String(repeating: "n", count: 128), String(repeating: "n", count: 129)]
        for name in names {
            let alias = Attachment(network: name, containerID: "c", interface: "e").alias
            #expect(names.filter { alias.hasPrefix(Attachment.aliasPrefix(network: $0)) } == [name])
        }
    }

    @Test func validAttachmentsAreThoseOfTheList() {
        let valid = ValidAttachments.only([
            Attachment(network: "net", containerID: "c1", interface: "eth0"),
            Attachment(network: "net", containerID: "c2", interface: "net1"),
        ])
        #expect(valid.contains(containerID: "c1", interface: "eth0"))
        #expect(!valid.contains(containerID: "c1", interface: "net1"))
        #expect(!valid.contains(containerID: "c3", interface: "eth0"))
        // A lease of the old form names only the container.
        #expect(valid.contains(containerID: "c2", interface: nil))
        #expect(!valid.contains(containerID: "c3", interface: nil))
    }

    @Test func anEmptyListKeepsNothingAndAMissingOneEverything() {
        for interface in ["eth0", nil] {
            #expect(!ValidAttachments.only([]).contains(containerID: "c1", interface: interface))
            #expect(ValidAttachments.unknown.contains(containerID: "c1", interface: interface))
        }
    }
}
