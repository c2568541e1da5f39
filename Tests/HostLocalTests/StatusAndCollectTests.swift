// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// STATUS and GC, which came with version 1.1.0.
@Suite struct StatusAndCollectTests {
    private var network: HostLocalNetwork

    init() throws {
        network = try HostLocalNetwork(#","subnet":"10.1.0.0/29""#)
        network.version = "1.1.0"
    }

    private func collect(_ list: String) throws {
        let answer = try network.call("GC", more: list)
        #expect(answer.exitCode == 0 && answer.text.isEmpty, "\(answer)")
    }

    @Test func statusSaysWhenThePoolIsFull() throws {
        for number in 0..<5 {
            #expect(try network.call("STATUS").exitCode == 0)
            _ = try network.add("c\(number)")
        }
        try network.call("STATUS").expectFailure(
            50,
            "no free IP addresses",
            #"network "lab": all 5 of 10.1.0.1-10.1.0.6 are in use"#
        )
        try network.delete("c3")
        #expect(try network.call("STATUS").exitCode == 0)
    }

    @Test func statusSaysWhenOneOfSeveralPoolsIsFull() throws {
        var network = network
        network.ipam = #","ranges":[[{"subnet":"10.1.0.0/29"}],[{"subnet":"fd00::/126","rangeEnd":"fd00::2"}]]"#
        _ = try network.add("c1")
        try network.call("STATUS").expectFailure(50, "no free IP addresses", "all 1 of fd00::1-fd00::2 are in use")
    }

    @Test func statusSaysWhenTheStoreCannotBeWritten() throws {
        try FileManager.default.createDirectory(atPath: network.dataDir, withIntermediateDirectories: true)
        #expect(FileManager.default.createFile(atPath: network.path, contents: nil))
        try network.call("STATUS").expectFailure(50, "the address store is not writable", network.dataDir)
    }

    @Test func statusMakesNoUseOfAFileThatIsGone() throws {
        for number in 0..<5 { _ = try network.add("c\(number)") }
        for name in try network.leases().keys { try FileManager.default.removeItem(atPath: "\(network.path)/\(name)") }
        #expect(try network.call("STATUS").exitCode == 0)
        #expect(try network.add("c1") == ["10.1.0.2"])
    }

    @Test(arguments: ["cni.dev/valid-attachments", "cni.dev/attachments"])
    func collectReleasesWhoIsNotInTheList(key: String) throws {
        for id in ["a", "b", "c"] { _ = try network.add(id) }
        _ = try network.add("a", interface: "eth1")
        try collect(#","\#(key)":[{"containerID":"a","ifname":"eth0"},{"containerID":"c","ifname":"eth0"}]"#)
        #expect(try network.leases() == ["10.1.0.2": "a\r\neth0", "10.1.0.4": "c\r\neth0"])
        #expect(network.read("lock") != nil)
        #expect(network.read("last_reserved_ip.0") == "10.1.0.5")
    }

    @Test(arguments: ["[]", "null"]) func anEmptyListReleasesEverybody(list: String) throws {
        for id in ["a", "b"] { _ = try network.add(id) }
        try collect(#","cni.dev/valid-attachments":\#(list)"#)
        #expect(try network.leases().isEmpty)
        #expect(network.read("lock") != nil && network.read("last_reserved_ip.0") == "10.1.0.3")
        #expect(try network.add("c") == ["10.1.0.4"])
    }

    @Test func withoutAListNobodyIsReleased() throws {
        _ = try network.add("a")
        try network.write("old", to: "10.1.0.6")
        try collect("")
        #expect(try network.leases().count == 2)
    }

    @Test func anOldLeaseIsKeptWhileItsContainerHasAnyAttachment() throws {
        try network.write("old", to: "10.1.0.3")
        try network.write("gone", to: "10.1.0.4")
        try network.write("", to: "10.1.0.5")
        try collect(#","cni.dev/valid-attachments":[{"containerID":"old","ifname":"eth3"}]"#)
        #expect(try network.leases() == ["10.1.0.3": "old"])
    }

    @Test func aListThatMakesNoSenseReleasesNobody() throws {
        _ = try network.add("a")
        for list in [#""a""#, "{}", #"[{"containerID":"a"}]"#, #"["a"]"#, #"[{"containerID":1,"ifname":"eth0"}]"#] {
            let answer = try network.call("GC", more: #","cni.dev/valid-attachments":\#(list)"#)
            #expect(answer.code == 7 && answer.details.contains("cni.dev/valid-attachments"), "\(answer)")
        }
        #expect(try network.leases().count == 1)
    }
}
