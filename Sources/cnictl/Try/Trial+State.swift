// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import JSON
import Linux
import Netlink

/// What came to be, as tables and as a document.
extension Trial {
    /// Looks at the containers, the host and the store, and shows what is new.
    func showState() {
        guard let before else { return }
        for index in containers.indices {
            containers[index].after = try? HostState.capture(in: containers[index].container.netns)
            show(containers[index])
        }
        let host = try? HostState.capture()
        newDevices = host?.devices(since: before) ?? []
        var table = Table(["INTERFACE", "KIND", "MAC", "MTU", "STATE", "PORT OF", "ADDRESSES"])
        for device in newDevices {
            table.append(
                [device.link.name, device.kind] + Self.columns(device)
                    + [device.master.isEmpty ? "-" : device.master, Self.addresses(device)]
            )
        }
        reporter.headline("on the host")
        reporter.show(table.isEmpty ? ["  nothing new"] : table.lines(indent: 2))

        let store = LeaseStore(list)
        leases = store.leases()
        if leases.isEmpty { return }
        var rows = Table(["ADDRESS", "CONTAINER", "INTERFACE"])
        for lease in leases { rows.append([lease.address.description, lease.containerID, lease.interface]) }
        reporter.headline("leases in \(store.directory)")
        reporter.show(rows.lines(indent: 2))
    }

    private func show(_ subject: Rehearsal) {
        guard let state = subject.after else { return }
        var table = Table(["INTERFACE", "MAC", "MTU", "STATE", "ADDRESSES"])
        for device in state.devices {
            table.append([device.link.name] + Self.columns(device) + [Self.addresses(device)])
        }
        reporter.headline("in \(subject.name)")
        reporter.show(table.lines(indent: 2))
        reporter.show(state.routes.map { "  route \($0.text)" })
    }

    private static func columns(_ device: HostState.Device) -> [String] {
        [device.link.mac?.description ?? "-", "\(device.link.mtu)", device.state]
    }

    private static func addresses(_ device: HostState.Device) -> String {
        device.addresses.isEmpty ? "-" : device.addressTexts.joined(separator: ", ")
    }

    /// The whole trial as one document.
    var json: JSON {
        [
            "network": .string(list.name), "cniVersion": .string(list.version.description), "file": .string(file),
            "pluginPath": .string(chain.pluginPath), "ok": .bool(!reporter.hasFailures),
            "steps": .array(reporter.steps.map { $0.json }),
            "containers": .array(containers.map { $0.json }),
            "host": ["interfaces": .array(newDevices.map { $0.json })],
            "leases": .array(leases.map { $0.json }),
            "probes": .array(probes.map { $0.json }),
            "leftovers": .array(leftovers.leaks.map { .string($0) }),
            "shared": .array(leftovers.shared.map { .string($0) }),
        ]
    }
}
