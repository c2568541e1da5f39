// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Linux
import Netlink
import Overlay

extension Agent {
    private var memoryPath: String { "\(configuration.stateDirectory)/\(configuration.network).json" }
    private var pluginPath: String { RegistryFile.path(configuration.runDirectory, network: configuration.network) }

    /// Takes over what the registry gave this host.
    func keep(_ held: Holding, _ underlay: Underlay) throws(Trouble) {
        if holding?.subnets != held.subnets || (holding?.lease == 0) != (held.lease == 0) {
            let kind = held.lease == 0 ? "set aside without a lease" : "lease \(held.lease) of \(held.seconds) s"
            Daemon.log("this host has \(RegistryLease.key(held.subnets)), \(kind)")
        }
        holding = held
        if !memory.subnets.isEmpty, memory.subnets != held.subnets {
            // No container is to get an address of a subnet that is another host's, however long the rest takes.
            WholeFile.remove(pluginPath)
            file = nil
        }
        // When a version of IP is switched on again, containers that are still there have addresses of what it was.
        memory.former = (memory.subnets + memory.former).filter { old in
            !held.subnets.contains { $0.address.family == old.address.family }
        }
        (memory.subnets, memory.lease) = (held.subnets, held.lease)
        memory.leaseSeconds = held.lease == 0 ? 0 : configuration.leaseSeconds
        (memory.address, memory.mac) = (underlay.local, underlay.link.mac)
        memory.boot = (try? Clock.bootIdentifier()) ?? ""
        remember()
        try rewrite()
    }

    /// Writes down what this host has unless it is written; that can wait, for it is of use only once the daemon has ended.
    func remember() {
        if memory == written { return }
        do throws(Trouble) {
            try WholeFile.write(memory.bytes, to: memoryPath)
            (written, unwritten) = (memory, "")
        } catch {
            if error.description != unwritten { Daemon.log(error.description) }
            unwritten = error.description
        }
    }

    /// Removes all files that were written; Flannel's only if it is not that of another network by now.
    func removeFiles(_ networks: [Prefix], _ subnets: [Prefix]) {
        for path in [pluginPath, memoryPath] { WholeFile.remove(path) }
        let own = RegistryFile.environment(networks, subnets)
        guard !own.isEmpty, !configuration.subnetFile.isEmpty,
            let present = try? FileDescriptor.open(configuration.subnetFile).readAll(), present.starts(with: own)
        else {
            return
        }
        WholeFile.remove(configuration.subnetFile)
    }

    /// Tells the plugin, and whoever reads Flannel's file, what this host has.
    func write(_ file: RegistryFile) throws(Trouble) {
        self.file = file
        try rewrite()
        if configuration.subnetFile.isEmpty { return }
        let bytes = file.environment(masquerades: configuration.masquerades)
        if let present = try? FileDescriptor.open(configuration.subnetFile).readAll(), present == bytes { return }
        try WholeFile.write(bytes, to: configuration.subnetFile)
    }

    /// Tells the plugin how long the subnet is good for.
    func rewrite() throws(Trouble) {
        guard var file, let held = holding else { return }
        (file.heard, file.lasts) = (held.heard, held.lease == 0 ? nil : Int64(held.seconds))
        try WholeFile.write(file.bytes, to: pluginPath)
    }
}
