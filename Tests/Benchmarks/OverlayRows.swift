// SPDX-License-Identifier: Apache-2.0

import Foundation

extension Runner {
    /// What the daemon of the overlay costs, with few and with many other hosts.
    func measureOverlay() throws -> [Row] {
        let sizes = [10, 1_000, 10_000]
        let network = try OverlayNetwork(ours)
        var rows: [Row] = []
        var costs: [Double] = []
        var known = 0
        for size in sizes {
            try network.register(known..<size)
            known = size
            var start = Row("overlayd, start with \(size) hosts", .milliseconds)
            var memory = Row("overlayd, peak memory with \(size) hosts", .kibibytes)
            var arrival = Row("overlayd, host in etcd to route, \(size) others", .milliseconds)
            var cost = Row("overlayd, processor time of one change, \(size) others", .milliseconds)
            for _ in 0..<min(3, rounds) {
                start.ours.append(try network.startDaemon(hosts: size))
                memory.ours.append(try network.peakMemory())
                for number in 0..<min(20, rounds) {
                    let before = try network.processorTime()
                    arrival.ours.append(try network.change(12_000 + number))
                    usleep(20_000)
                    cost.ours.append(try network.processorTime() - before)
                    try network.forget(12_000 + number)
                    usleep(20_000)
                }
                network.stop()
            }
            rows += [start, memory, arrival, cost]
            costs.append(cost.ours.median)
        }
        var ratio = Row("overlayd, one change, 10,000 vs 10 hosts", .ratio, ofItself: 1.5)
        ratio.ours = [costs[2] / costs[0]]
        return rows + [ratio]
    }
}
