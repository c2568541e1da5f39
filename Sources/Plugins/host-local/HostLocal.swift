// SPDX-License-Identifier: Apache-2.0

import AddressStore
import Addressing
import CNI
import Linux

/// Gives out addresses from ranges and keeps who has which in files on this host.
struct HostLocal: Plugin {
    static let name = "host-local"

    func add(_ request: Request<HostLocalConfiguration>, undo: inout UndoStack) throws(CNIError) -> AddResult {
        let configuration = request.configuration
        try configuration.validate(for: request.version)
        let dns = try configuration.dns()
        let wanted = try configuration.requests(try request.arguments(known: ["IP"]))
        let lease = request.lease
        var result = AddResult(routes: configuration.routes, dns: dns)
        do throws(StoreError) {
            let origin = Origin(boot: try bootIdentifier(), netns: request.netns)
            var store = try AddressStore.open(
                dataDir: configuration.dataDir,
                network: request.attachment.network,
                boot: origin.boot
            )
            for address in try store.allocate(wanted, to: lease, origin: origin) {
                result.ips += configuration.configurations(of: address)
            }
        } catch {
            throw CNIError(error)
        }
        try undo.push("release the addresses") { () throws(CNIError) in try self.delete(request) }
        return result
    }

    func delete(_ request: Request<HostLocalConfiguration>) throws(CNIError) {
        let lease = request.lease
        try withStore(request) { store throws(StoreError) in try store.release(lease) }
    }

    func check(_ request: Request<HostLocalConfiguration>) throws(CNIError) {
        let lease = request.lease
        var found: [IPAddress] = []
        try withStore(request) { store throws(StoreError) in found = try store.addresses(of: lease) }
        if found.isEmpty {
            throw CNIError.init(
                .drifted,
                "host-local: Failed to find address added by container \(lease.containerID)",
                "no lease in \(request.configuration.dataDir)/\(request.attachment.network) names it with \(lease.interface ?? "")"
            )
        }
    }

    func collect(_ request: Request<HostLocalConfiguration>, keeping valid: ValidAttachments) throws(CNIError) {
        try withStore(request) { store throws(StoreError) in
            guard case .only = valid else {
                // Nobody said who is alive, so only those go who cannot be.
                return _ = try store.reclaimAll()
            }
            let released = try store.release { valid.contains(containerID: $0.containerID, interface: $0.interface) }
            if !released.isEmpty { StandardStreams.log("released \(released.count) addresses that belong to nobody") }
        }
    }

    func status(_ request: Request<HostLocalConfiguration>) throws(CNIError) {
        let configuration = request.configuration
        let place = configuration.existingDirectory(request.attachment.network)
        guard let found = (try? FileStatus.of(place)) ?? nil, found.isDirectory, FileStatus.isWritable(place) else {
            throw CNIError(.notReady, "the address store is not writable", configuration.dataDir)
        }
        var full: RangeSet?
        try withStore(request) { store throws(StoreError) in
            for set in configuration.sets where try !store.hasFree(in: set) { full = full ?? set }
        }
        if let full {
            throw CNIError(
                .notReady,
                "no free IP addresses",
                "network \"\(request.attachment.network)\": all \(full.count) of \(full.description) are in use"
            )
        }
    }

    /// Calls a body with the store of the network, if there is one.
    private func withStore(
        _ request: Request<HostLocalConfiguration>,
        _ body: (inout AddressStore) throws(StoreError) -> Void
    ) throws(CNIError) {
        do throws(StoreError) {
            let boot = try bootIdentifier()
            guard
                var store = try AddressStore.openIfExists(
                    dataDir: request.configuration.dataDir,
                    network: request.attachment.network,
                    boot: boot
                )
            else {
                return
            }
            try body(&store)
        } catch {
            throw CNIError(error)
        }
    }
}

/// The identifier of this start of the machine.
private func bootIdentifier() throws(StoreError) -> String {
    try StoreError.attempt("read the boot id") { () throws(Errno) in try Clock.bootIdentifier() }
}

extension Request {
    fileprivate var lease: Lease { Lease(containerID: attachment.containerID, interface: attachment.interface) }
}

extension CNIError {
    fileprivate init(_ error: StoreError) {
        let kind: Kind =
            switch error.kind {
            case .inputOutput: .inputOutput
            case .busy: .tryAgain
            case .exhausted: .poolExhausted
            case .unavailable: .addressUnavailable
            case .duplicate: .duplicateAllocation
            }
        self.init(kind, error.message, error.details)
    }
}
