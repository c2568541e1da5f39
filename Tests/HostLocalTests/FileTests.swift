// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Support
import Testing

/// The files of the store, to the byte and to the mode.
@Suite struct FileTests {
    private let network: HostLocalNetwork

    init() throws {
        network = try HostLocalNetwork(#","ranges":[[{"subnet":"10.1.0.0/24"}],[{"subnet":"fd00::/64"}]]"#)
    }

    private func mode(_ path: String) -> UInt32 {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
    }

    @Test func everyFileHasTheReferencesModeAndBytes() throws {
        let mask = umask(0o022)
        umask(mask)
        _ = try network.add("some-container_1.x", interface: "net1")
        let files = ["10.1.0.2", "fd00::2", "last_reserved_ip.0", "last_reserved_ip.1", "lock"]
        #expect(try FileManager.default.contentsOfDirectory(atPath: network.path).sorted() == files)
        #expect(network.read("10.1.0.2") == "some-container_1.x\r\nnet1")
        #expect(network.read("fd00::2") == "some-container_1.x\r\nnet1")
        #expect(network.read("last_reserved_ip.0") == "10.1.0.2")
        #expect(network.read("last_reserved_ip.1") == "fd00::2")
        #expect(network.read("lock")?.isEmpty == true)
        for file in files.dropLast() { #expect(mode("\(network.path)/\(file)") == 0o600) }
        #expect(mode("\(network.path)/lock") == 0o750 & ~mask)
        for folder in [network.path, network.dataDir, "\(network.dataDir)/.index"] {
            #expect(mode(folder) == 0o755 & ~mask)
        }
        #expect(mode("\(network.dataDir)/.index/\(HostLocalNetwork.name)") == 0o600)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: "\(network.dataDir)/.index") == [HostLocalNetwork.name]
        )
    }

    @Test func deleteLeavesTheLockAndThePlaceToGoOn() throws {
        _ = try network.add("c1")
        try network.delete("c1")
        try network.delete("c1")
        let names = try FileManager.default.contentsOfDirectory(atPath: network.path).sorted()
        #expect(names == ["last_reserved_ip.0", "last_reserved_ip.1", "lock"])
        #expect(try network.add("c1") == ["10.1.0.3", "fd00::3"])
    }

    @Test func nothingIsMadeByWhatTakesNothing() throws {
        for command in ["DEL", "STATUS", "GC"] {
            var network = network
            network.version = "1.1.0"
            #expect(try network.call(command).exitCode == 0)
        }
        try network.call("CHECK").expectFailure(105, "host-local: Failed to find address added by container c1")
        #expect(!FileManager.default.fileExists(atPath: network.dataDir))
    }

    @Test func deleteFindsLeasesWhateverTheRangesAreNow() throws {
        _ = try network.add("c1")
        var changed = network
        changed.ipam = #","subnet":"192.0.2.0/24""#
        try changed.delete("c1")
        #expect(try network.leases().isEmpty)
    }

    @Test func checkFindsTheLeaseOrSaysThatThereIsNone() throws {
        _ = try network.add("c1")
        #expect(try network.call("CHECK").exitCode == 0)
        try network.call("CHECK", interface: "eth1").expectFailure(
            105,
            "host-local: Failed to find address added by container c1",
            "\(network.path) names it with eth1"
        )
        try network.write("old", to: "10.1.0.200")
        #expect(try network.call("CHECK", "old", interface: "eth7").exitCode == 0)
    }

    @Test func keysOfTheConfigurationMatchInAnyCase() throws {
        var network = network
        network.ipam = #","SUBNET":"10.1.0.0/24","RangeStart":"10.1.0.9""#
        #expect(try network.add("c1") == ["10.1.0.9"])
    }

    @Test func aRollbackLeavesNothing() throws {
        var process = network.process("ADD")
        process.environment["CNI_FAIL_AFTER_STEP"] = "1"
        #expect(try Answer(process.run()).code == 11)
        #expect(try network.leases().isEmpty)
        process = network.process("ADD")
        process.output = .full
        #expect(try process.run().exitCode == 1)
        #expect(try network.leases().isEmpty)
    }
}
