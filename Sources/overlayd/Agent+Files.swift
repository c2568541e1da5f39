// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Linux
import Overlay

extension Agent {
    private var memoryPath: String { "\(configuration.stateDirectory)/\(configuration.network).json" }
    private var pluginPath: String { RegistryFile.path(configuration.runDirectory, network: configuration.network) }

    /// All files that are written.
    var files: [String] { [pluginPath, configuration.subnetFile, memoryPath].filter { !$0.isEmpty } }

    /// Remembers what the registry gave this host.
    func keep(_ held: Holding) throws(Trouble) {
        if holding?.subnets != held.subnets || holding?.lease != held.lease {
            let kind = held.lease == 0 ? "set aside without a lease" : "lease \(held.lease) of \(held.seconds) s"
            if holding?.subnets != held.subnets {
                Daemon.log("this host has \(RegistryLease.key(held.subnets)), \(kind)")
            }
        }
        holding = held
        let boot = (try? Clock.bootIdentifier()) ?? ""
        let networks = routes?.place.networks ?? []
        if memory.subnets == held.subnets, memory.lease == held.lease, memory.boot == boot, memory.networks == networks
        {
            return
        }
        (memory.subnets, memory.lease) = (held.subnets, held.lease)
        (memory.boot, memory.networks) = (boot, networks)
        try WholeFile.write(memory.bytes, to: memoryPath)
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
        file.expires = held.lease == 0 ? nil : held.renewed + Int64(held.seconds)
        try WholeFile.write(file.bytes, to: pluginPath)
    }
}
