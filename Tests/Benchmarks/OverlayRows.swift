// SPDX-License-Identifier: Apache-2.0

import Foundation

extension Runner {
    /// What the daemon of the overlay costs, with few and with many other hosts.
    func measureOverlay() throws -> [Row] {
        let sizes = [10, 1_000, 10_000]
        let network = try OverlayNetwork(ours, namespaces)
        var rows: [Row] = []
        var costs: [Double] = []
        var known = 0
        for size in sizes {
            try network.register(known..<size)
            known = size
            var start = Row("overlayd, start with \(size) hosts", .milliseconds)
            var effort = Row("overlayd, start with \(size) hosts, processor time", .milliseconds)
            var memory = Row("overlayd, peak memory with \(size) hosts", .kibibytes)
            var arrival = Row("overlayd, host in etcd to route, \(size) others", .milliseconds)
            var answer = Row("overlayd, host in etcd to first answered packet, \(size) others", .milliseconds)
            var cost = Row("overlayd, processor time of one change, \(size) others", .milliseconds)
            for _ in 0..<min(3, rounds) {
                start.ours.append(try network.startDaemon(hosts: size))
                try network.settle()
                effort.ours.append(try network.processorTime())
                memory.ours.append(try network.peakMemory())
                for number in 0..<min(20, rounds) {
                    let before = try network.processorTime()
                    arrival.ours.append(try network.change(12_000 + number))
                    usleep(20_000)
                    cost.ours.append(try network.processorTime() - before)
                    try network.forget(12_000 + number)
                    usleep(20_000)
                }
                for _ in 0..<min(20, rounds) { answer.ours.append(try network.waitForAnswer()) }
                network.stop()
            }
            rows += [start, effort, memory, arrival, answer, cost]
            costs.append(cost.ours.median)
        }
        var ratio = Row("overlayd, one change, 10,000 vs 10 hosts", .ratio, ofItself: 1.2)
        ratio.ours = [costs[2] / costs[0]]
        return rows + [ratio]
    }

    /// How soon a new host is known when the member of etcd that the daemon was at has just been killed.
    func measureOverlayWithoutMember() throws -> [Row] {
        let network = try OverlayNetwork(ours, namespaces, members: 3)
        var arrival = Row("overlayd, host in etcd to route, its member killed", .milliseconds)
        _ = try network.startDaemon(hosts: 0)
        for number in 0..<min(10, rounds) { arrival.ours.append(try network.changeWithoutMember(12_000 + number)) }
        network.stop()
        return [arrival]
    }
}
