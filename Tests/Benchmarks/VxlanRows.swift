// SPDX-License-Identifier: Apache-2.0

import Foundation

extension Runner {
    /// An attachment to the overlay against one to a bridge, and what many other hosts cost.
    func measureVxlan() throws -> [Row] {
        let add = try measureOverlayAttachment()
        return try [add, Row("vxlan ADD to bridge ADD", ratiosIn: add)] + measureLists()
    }

    /// Both on the same host, one after the other.
    private func measureOverlayAttachment() throws -> Row {
        var add = Row("vxlan + host-local ADD, 2 others; floor: bridge + host-local", .milliseconds)
        let paths = try namespaces.paths(4)
        let overlay = try ListedNetwork(ours, on: "listed", namespaces)
        try overlay.list(2)
        let bridge = try BridgeNetwork(ours, "beside", octet: 60)
        let containers = (0..<4).map { Container(network: "vxlan", number: $0, namespace: paths[$0]) }
        // Tunnel and bridges are there, as on a host that has containers.
        _ = try overlay.add(containers[2])
        _ = try overlay.onHost { try bridge.add(containers[3]) }
        try interleave(
            rounds,
            [
                { _ in
                    add.floor.append(try overlay.onHost { try bridge.add(containers[0]) })
                    _ = try overlay.onHost { try bridge.delete(containers[0]) }
                },
                { _ in
                    add.ours.append(try overlay.add(containers[1]))
                    _ = try overlay.delete(containers[1])
                },
            ]
        )
        _ = try overlay.delete(containers[2])
        _ = try overlay.onHost { try bridge.delete(containers[3]) }
        return add
    }

    /// Lists of hosts that are compared with the kernel.
    private func measureLists() throws -> [Row] {
        var rows: [Row] = []
        for count in [1_000, 10_000] {
            let network = try ListedNetwork(ours, on: "listed\(count)", namespaces)
            let name = "vxlan reconcile, \(count) others"
            var all = Row("\(name) that are new", .milliseconds)
            var processor = Row("\(name) that are new, processor time", .milliseconds)
            var again = Row("\(name), nothing to do", .milliseconds)
            var change = Row("\(name), one change", .milliseconds)
            var memory = Row("\(name) that are new, peak memory", .kibibytes)
            for _ in 0..<min(5, rounds) {
                try network.list(count)
                let cost = try network.reconcile()
                all.ours.append(cost.wall)
                processor.ours.append(cost.processor)
                again.ours.append(try network.reconcile().wall)
                try network.list(count, besides: count / 2)
                change.ours.append(try network.reconcile().wall)
                try network.clear()
            }
            memory.ours.append(try network.reconcileMemory(self))
            rows += [all, processor, again, change, memory]
        }
        return rows
    }
}
